"""Futures, not one future: how likely a plan leads beyond the limits of a policy.

`gate.risk` says what is asked, `plan` what is done, `futures`, `filtered` and `generated` what may come; `portfolio`,
`acts` and `bulk` play it over all of it at once with the market's own exact integers, `limits` judges, `assess`
answers, `calibrate` asks whether such answers come true. Needs numpy (the extra `market`).
"""
