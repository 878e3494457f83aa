"""Content Credentials: a finished video signed with a certificate, as C2PA wants it (spec.c2pa.org, 2.x).

c2pa-python (the extra `c2pa`, of the Content Authenticity Initiative) signs the manifest and writes it into
the file; it knows MP4 and QuickTime, and no WebM. The manifest says what the file's label does
(`core.labels`): that it is generated, by whom, under which number. Without a label nothing is signed.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import av

from core.config import Settings
from core.errors import BadInput, Error
from core.installation import install_command
from core.labels import label_of
from core.media.alpha import OURS
from core.media.results import beside

SIGNED = (".mp4", ".m4v", ".mov")
"""Names of files that can be signed end so."""

_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's word for a picture that is in part filmed, in part generated."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs. certificate: a chain, the signer's first, as PEM. key: its private key, PEM of PKCS #8.
    algorithm: of the signature, as C2PA names it."""

    certificate: bytes
    key: bytes
    algorithm: bytes

    def sign(self, video: Path) -> None:
        """Sign a finished video of ours in place, if its label says that it is generated. Blocking.

        Raises Error if it cannot be signed, OSError if it cannot be written; then the file is as it was.
        """
        import c2pa

        if video.suffix not in SIGNED or not (said := _label(video)):
            return
        draft = beside(video, f".signed{video.suffix}")
        info = c2pa.C2paSignerInfo(self.algorithm, self.certificate, self.key, None)
        try:
            with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(_manifest(said))) as builder:
                builder.sign_file(video, draft, signer)
            draft.replace(video)
        except c2pa.C2paError as error:
            raise Error(f"{video.name} cannot be signed: {error}") from error
        finally:
            draft.unlink(missing_ok=True)


def credentials(settings: Settings) -> Credentials | None:
    """Who signs videos, as the settings say; None: nobody. Blocking.

    Raises BadInput `bad_credentials` for what cannot sign, and says why.
    """
    files = settings.c2pa_certificate, settings.c2pa_key
    if files == (None, None):
        return None
    if None in files:
        raise _bad("c2pa_certificate and c2pa_key go together; set both, or neither")
    certificate, key = files
    assert certificate is not None and key is not None  # noqa: S101, PT018  # just seen
    try:
        import c2pa  # noqa: F401  # brings cryptography
    except ImportError:
        raise _bad(f"to sign videos takes c2pa-python: {install_command('c2pa')}") from None
    return _read(certificate, key)


def _read(certificate: Path, key: Path) -> Credentials:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    pem = _bytes(certificate)
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise _bad(f"{certificate} has no certificate; write a chain in PEM, the signer's first") from None
    try:
        private = serialization.load_pem_private_key(_bytes(key), None)
    except TypeError:
        raise _bad(f"{key} is locked with a password; write it without one, readable by you alone") from None
    except ValueError:
        raise _bad(f"{key} has no private key in PEM") from None
    if private.public_key() != chain[0].public_key():
        raise _bad(f"{key} is not the key of the first certificate in {certificate}")
    if chain[0].not_valid_after_utc < datetime.now(UTC):
        raise _bad(f"{certificate} ended on {chain[0].not_valid_after_utc:%Y-%m-%d}; get a new one")
    algorithm = _algorithm(private)
    if algorithm is None:
        raise _bad(f"{key}: C2PA signs with keys of P-256, P-384, P-521, RSA or Ed25519, not with this one")
    plain = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Credentials(pem, plain, algorithm)


def _algorithm(key: object) -> bytes | None:
    """How C2PA signs with such a key."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {"secp256r1": b"es256", "secp384r1": b"es384", "secp521r1": b"es512"}.get(key.curve.name)
    if isinstance(key, rsa.RSAPrivateKey):
        return b"ps256"
    return b"ed25519" if isinstance(key, ed25519.Ed25519PrivateKey) else None


def _label(video: Path) -> dict[str, str]:
    with av.open(f"file:{video}", options=dict(OURS)) as file:
        return label_of(file.metadata)


def _manifest(said: dict[str, str]) -> dict[str, object]:
    """What is signed: that it was generated, and how the label puts it."""
    made = {"action": "c2pa.created", "digitalSourceType": _SOURCE, "description": said.get("comment", "")}
    fields = json.loads(said["AIGC"])
    return {
        "claim_generator_info": [{"name": "Lipstream"}],
        "title": fields["ProduceID"],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [made]}}],
    }


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _bad(f"{path} cannot be read ({error.strerror})") from error


def _bad(message: str) -> BadInput:
    return BadInput("bad_credentials", message, "c2pa_certificate")
