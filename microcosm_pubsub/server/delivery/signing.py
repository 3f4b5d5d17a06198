"""
The key with which messages to web servers are signed, and its certificate.

The key is made when a server starts, and never leaves it; a program that verifies a message gets the certificate from
the server itself, by the URL that the message names.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Lock

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


KEY_BITS = 2048

VALID_FOR = timedelta(days=365)

HASHES = {"1": hashes.SHA1(), "2": hashes.SHA256()}


class Signer:
    """Sign texts by a key of its own, which is made when it is first used."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._key: rsa.RSAPrivateKey | None = None
        self._certificate = b""

    @property
    def certificate(self) -> bytes:
        """Return the certificate, as PEM."""
        self._get_key()
        return self._certificate

    @property
    def path(self) -> str:
        """Return the path at which the certificate is served."""
        return f"/SimpleNotificationService-{sha256(self.certificate).hexdigest()[:32]}.pem"

    def sign(self, text: str, version: str) -> str:
        """
        Return the signature of a text, in base64.

        :param version: "1" for SHA1, "2" for SHA256
        """
        signature = self._get_key().sign(text.encode(), padding.PKCS1v15(), HASHES[version])
        return b64encode(signature).decode()

    def _get_key(self) -> rsa.RSAPrivateKey:
        with self._lock:
            if self._key is None:
                self._key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
                self._certificate = make_certificate(self._key)
            return self._key


def make_certificate(key: rsa.RSAPrivateKey) -> bytes:
    """Return a certificate of a key that it signed itself, as PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pubsub serve")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID_FOR)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
