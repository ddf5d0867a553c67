"""What can be wrong with bars. Each message names the file, the line or row, and the column."""

from ....facts import Error


class BadBars(Error):
    """Base of what can be wrong with bars; the message names the file, the line or row, and the column."""

    number, title = "WG210", "bars cannot be used"


class NotATable(BadBars):
    """The file cannot be read, is of no known format, or has not the columns of one."""

    number, title = "WG212", "file is no table of bars"


class Duplicate(BadBars):
    number, title = "WG213", "bar is given twice"


class Disorder(BadBars):
    number, title = "WG214", "bars are out of order"


class Gap(BadBars):
    number, title = "WG215", "bars are missing"


class BadPrice(BadBars):
    """Empty, no decimal number, not finite, not positive, too large, or at odds with the rest of its bar."""

    number, title = "WG216", "price or volume cannot be right"


class OffTick(BadBars):
    number, title = "WG217", "number is finer than its tick"


class BadTime(BadBars):
    number, title = "WG218", "time cannot be placed"


class NoBars(BadBars):
    number, title = "WG219", "there are no such bars"


class BadRequest(BadBars):
    """An option or a parameter is out of range, or a file would be overwritten."""

    number, title = "WG220", "cannot be done as asked"
