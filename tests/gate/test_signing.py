"""Signatures: keys, files, and what a signed ledger accepts."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys

import pytest

from worldgate.gate.export import verify_export
from worldgate.gate.ledger import WrongSigner
from worldgate.gate.signing import BadKeyFile, Signer, verifier_of

from .ledger_asserts import AT, assert_refuses_writing, assert_whole, fill, open_ledger


@pytest.fixture
def signer(tmp_path):
    return Signer.create(tmp_path / "keys" / "key.pem")


def test_a_key_is_kept_where_only_its_owner_reads_it(tmp_path, signer):
    file = tmp_path / "keys" / "key.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    assert Signer.load(file).public_key == signer.public_key
    with pytest.raises(BadKeyFile):
        Signer.create(file)
    file.chmod(0o640)
    with pytest.raises(BadKeyFile, match="640"):
        Signer.load(file)


def test_files_that_are_no_key_are_refused(tmp_path):
    file = tmp_path / "key.pem"
    with pytest.raises(BadKeyFile):
        Signer.load(file)
    file.touch(mode=0o600)
    for data in (b"", b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n"):
        file.write_bytes(data)
        with pytest.raises(BadKeyFile):
            Signer.load(file)
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    other = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(other.private_bytes(*form))
    with pytest.raises(BadKeyFile, match="another kind"):
        Signer.load(file)


def test_a_signature_holds_for_one_hash_and_one_key(tmp_path, signer):
    verify = verifier_of(signer.public_key)
    signature = signer.sign("ab" * 32)
    assert verify("ab" * 32, signature)
    assert not verify("ac" * 32, signature)
    assert not verify("ab" * 32, signature.upper())
    assert not verify("ab" * 32, "")
    assert not verify("ab" * 32, "zz" * 64)
    assert not verifier_of(Signer.create(tmp_path / "other").public_key)("ab" * 32, signature)
    assert not verifier_of("not a key")("ab" * 32, signature)


def test_a_signed_ledger_names_its_key_and_signs_every_record(tmp_path, signer):
    records = fill(tmp_path, 3, signer)
    assert records[0].data["public_key"] == signer.public_key
    verify = verifier_of(signer.public_key)
    assert all(verify(record.hash, record.signature) for record in records)
    with open_ledger(tmp_path) as ledger:  # anyone can verify
        assert_whole(ledger)
        assert ledger.verify(public_key=signer.public_key) == []
        assert [damage.kind for damage in ledger.verify(public_key="ab" * 32)] == ["signature"]


def test_only_the_signer_adds_to_a_signed_ledger(tmp_path, signer):
    fill(tmp_path / "signed", 1, signer)
    fill(tmp_path / "plain", 1)
    with open_ledger(tmp_path / "signed") as ledger:
        assert_refuses_writing(ledger, WrongSigner)
    with pytest.raises(WrongSigner):
        open_ledger(tmp_path / "signed", Signer.create(tmp_path / "other"))
    with pytest.raises(WrongSigner):
        open_ledger(tmp_path / "plain", signer)
    with open_ledger(tmp_path / "signed", signer) as ledger:
        ledger.append("failed", "run", {}, at=AT)
        assert_whole(ledger)


def test_a_rewritten_chain_without_the_key_is_named_even_when_the_head_was_rewritten_too(tmp_path, signer):
    records = fill(tmp_path / "mine", 2, signer)
    fill(tmp_path / "forged", 5)
    shutil.rmtree(tmp_path / "mine")
    shutil.copytree(tmp_path / "forged", tmp_path / "mine")
    with open_ledger(tmp_path / "mine") as ledger:
        assert ledger.verify() == []  # whole in itself: nothing here says that it was another's
        assert [damage.kind for damage in ledger.verify(public_key=signer.public_key)] == ["signature"]
    with pytest.raises(WrongSigner):
        open_ledger(tmp_path / "mine", signer)
    assert records


def test_a_record_forged_past_the_head_is_not_taken_for_one_of_a_killed_writer(tmp_path, signer):
    from worldgate.gate.chain import follow

    last = fill(tmp_path, 2, signer)[-1]
    with open_ledger(tmp_path, signer) as ledger:
        forged = follow((last.seq, last.hash), "approved", "run", {}, AT, lambda _hash: "ab" * 64)
        ledger._store.insert(forged.row)
    with open_ledger(tmp_path, signer) as ledger:
        assert [damage.kind for damage in ledger.verify()] == ["signature"]
        assert ledger.head().seq == last.seq
        with pytest.raises(Exception, match="WG704"):
            ledger.append("failed", "run", {}, at=AT)


def test_an_export_of_a_signed_ledger_is_checked_with_its_key(tmp_path, signer):
    fill(tmp_path, 2, signer)
    stream = io.BytesIO()
    with open_ledger(tmp_path) as ledger:
        ledger.export(stream)
    data = stream.getvalue()
    assert verify_export(io.BytesIO(data), public_key=signer.public_key) == []
    assert verify_export(io.BytesIO(data), public_key="ab" * 32)
    start = data.rindex(b'"signature":"') + 13
    for position in range(start, start + 128):
        changed = bytes([*data[:position], data[position] ^ 1, *data[position + 1 :]])
        assert [damage.kind for damage in verify_export(io.BytesIO(changed))] == ["signature"]


def test_without_the_package_a_numbered_error_says_what_to_install(tmp_path, signer):
    fill(tmp_path, 1, signer)
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from pathlib import Path; from worldgate.gate.ledger import Ledger; from worldgate.gate.signing import *\n"
        "try: Ledger.open(Path(sys.argv[1]), head=Path(sys.argv[2])).verify()\n"
        "except NoSigning as error: print(error)"
    )
    paths = [str(tmp_path / "work" / "ledger.db"), str(tmp_path / "heads" / "head.json")]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert "WG708" in done.stdout
    assert "worldgate[sign]" in done.stdout
