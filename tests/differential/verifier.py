"""
An independent verifier of signatures, written from AWS's description and using none of the package or of botocore.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac
from re import fullmatch
from urllib.parse import quote, unquote

from tests.differential.server import Request


def verify(request: Request, secrets: dict[str, tuple[str, str | None]]) -> None:
    """
    Refuse a request that its sender did not sign.

    :param secrets: secret key and session token by access key
    """
    match = fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
        request.header("authorization") or "",
    )
    assert match, "no signature of version 4"
    access_key, day, region, service, names, signature = match.groups()
    secret, token = secrets[access_key]
    assert request.header("x-amz-security-token") == token
    timestamp = request.header("x-amz-date") or ""
    assert timestamp.startswith(day)
    signed = names.split(";")
    assert signed == sorted(signed)
    required = {"host", *(name.lower() for name, _ in request.headers if name.lower().startswith("x-amz-"))}
    assert required <= set(signed), "a header that has to be signed is not"
    path, _, query = request.target.partition("?")
    canonical = "\n".join(
        [
            request.method,
            quote(quote(unquote(path), safe="/~"), safe="/~") or "/",
            "&".join(sorted(query.split("&"))) if query else "",
            *(f"{name}:{' '.join((request.header(name) or '').split())}" for name in signed),
            "",
            names,
            sha256(request.body).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac(key, part.encode(), sha256).digest()
    assert compare_digest(hmac(key, text.encode(), sha256).hexdigest(), signature), "the signature is wrong"
