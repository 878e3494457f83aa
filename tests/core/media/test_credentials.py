"""Finished videos are signed, and the initiative's own reader finds them valid; what cannot sign is told."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import Settings
from core.errors import BadInput
from core.labels import Made
from core.media.credentials import Credentials, credentials
from core.media.fmp4 import LiveEncoder
from core.media.recording import Recording

c2pa = pytest.importorskip("c2pa", reason="no c2pa-python here; get it with: pip install -e '.[c2pa]'")

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: E402

SAID = Made("Somebody", "video_1", {"speech": "builtin"}).tags()
KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA": lambda: rsa.generate_private_key(65_537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


def certificate(key: Any, issuer: str = "root", signer: Any = None, days: int = 30) -> Any:
    """Of `signer` (of itself if None), for this key; it ended if `days` are negative."""
    now = datetime.now(UTC)

    def name(common: str) -> x509.Name:
        words = {NameOID.ORGANIZATION_NAME: "Studio", NameOID.COMMON_NAME: common}
        return x509.Name([x509.NameAttribute(kind, word) for kind, word in words.items()])

    root = signer is None
    signer = signer or key
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    usage |= {"encipher_only": False, "decipher_only": False}
    built = (
        x509.CertificateBuilder(name(issuer), name("root" if root else "signer"), key.public_key(), 77)
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(root, None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not root, key_cert_sign=root, crl_sign=root, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not root:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        built = built.add_extension(purpose, critical=False)
    return built.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def written(folder: Path, key: Any, days: int = 30, *, old: bool = False, password: bytes = b"") -> Settings:
    """Settings with a chain of a root of its own; old: the key in the form that OpenSSL used to write."""
    root = ec.generate_private_key(ec.SECP256R1())
    chain = [certificate(key, signer=root, days=days), certificate(root)]
    (folder / "chain.pem").write_bytes(
        b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
    )
    form = serialization.PrivateFormat.TraditionalOpenSSL if old else serialization.PrivateFormat.PKCS8
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, lock))
    return Settings(c2pa_certificate=folder / "chain.pem", c2pa_key=folder / "key.pem")


def recorded(path: Path, signer: Credentials | None, tags: dict[str, str] | None = SAID) -> None:
    async def main() -> None:
        encoder = LiveEncoder(64, 64, 25, 16_000, tags=tags)
        async with Recording(path, credentials=signer) as recording:
            await recording.write(encoder.init)
            for _ in range(5):
                for fragment in encoder.audio(np.zeros(640, np.float32)):
                    await recording.write(fragment)
                await recording.write(encoder.video(np.full((96, 64), 99, np.uint8)))
            await recording.finish()
        encoder.close()

    asyncio.run(main())


def problems(path: Path) -> tuple[str, set[str], dict[str, Any]]:
    """The reader's verdict, what it complains of, and the manifest."""
    with c2pa.Reader(path) as reader:
        told = json.loads(reader.json())
        complaints = {one["code"] for one in told.get("validation_status", [])}
        return reader.get_validation_state(), complaints, told["manifests"][told["active_manifest"]]


@pytest.mark.parametrize("kind", KEYS)
def test_a_finished_video_is_signed_and_the_reader_finds_it_valid(tmp_path: Path, kind: str) -> None:
    signer = credentials(written(tmp_path, KEYS[kind](), old=kind in ("P-384", "RSA")))
    recorded(tmp_path / "out.mp4", signer)
    verdict, complaints, manifest = problems(tmp_path / "out.mp4")
    assert verdict == "Valid"
    assert complaints == {"signingCredential.untrusted"}  # the root is nobody's
    assert manifest["title"] == "video_1"
    (actions,) = [one["data"]["actions"] for one in manifest["assertions"] if "actions" in one["label"]]
    assert actions[0]["digitalSourceType"].endswith("compositeWithTrainedAlgorithmicMedia")
    assert "Somebody" in actions[0]["description"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["chain.pem", "key.pem", "out.mp4"]


def test_a_video_that_was_changed_since_is_told(tmp_path: Path) -> None:
    recorded(tmp_path / "out.mp4", credentials(written(tmp_path, KEYS["P-256"]())))
    data = bytearray((tmp_path / "out.mp4").read_bytes())
    data[-9] ^= 1
    (tmp_path / "out.mp4").write_bytes(data)
    assert problems(tmp_path / "out.mp4")[:2] == (
        "Invalid",
        {"assertion.bmffHash.mismatch", "signingCredential.untrusted"},
    )


def test_a_video_without_a_label_is_not_signed(tmp_path: Path) -> None:
    recorded(tmp_path / "out.mp4", credentials(written(tmp_path, KEYS["P-256"]())), tags=None)
    with pytest.raises(c2pa.C2paError, match="ManifestNotFound"):
        problems(tmp_path / "out.mp4")


def test_without_the_settings_nobody_signs() -> None:
    assert credentials(Settings()) is None


def refused(settings: Settings) -> str:
    with pytest.raises(BadInput) as caught:
        credentials(settings)
    assert caught.value.code == "bad_credentials"
    return caught.value.message


def test_what_cannot_sign_is_told(tmp_path: Path) -> None:
    key = KEYS["P-256"]()
    good = written(tmp_path, key)
    chain, no_file = good.c2pa_certificate, tmp_path / "none.pem"
    assert "go together" in refused(Settings(c2pa_key=tmp_path / "key.pem"))
    assert "No such file" in refused(Settings(c2pa_certificate=no_file, c2pa_key=good.c2pa_key))
    assert "no certificate" in refused(Settings(c2pa_certificate=good.c2pa_key, c2pa_key=good.c2pa_key))
    assert "no private key" in refused(Settings(c2pa_certificate=chain, c2pa_key=chain))
    assert "Is a directory" in refused(Settings(c2pa_certificate=chain, c2pa_key=tmp_path))
    assert "password" in refused(written(tmp_path, key, password=b"secret"))
    assert "ended on" in refused(written(tmp_path, key, days=-1))
    assert "not with this one" in refused(written(tmp_path, ec.generate_private_key(ec.SECP256K1())))
    other = written(tmp_path, key)
    pem = x25519.X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    assert "not the key" in refused(other)
