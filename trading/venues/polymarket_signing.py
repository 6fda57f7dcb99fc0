"""What Polymarket's orders are signed with: EIP-712 hashes of the one known type, and libsecp256k1.

The general encoder of typed data takes ten times as long, which at fifty legs is what a click waits for.
"""

from functools import lru_cache
from typing import Any

from coincurve import PrivateKey, PublicKey
from eth_abi.abi import encode
from eth_account.datastructures import SignedMessage
from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes

CHAIN_ID = 137
PROTOCOL = "Polymarket CTF Exchange"
VERSION = "2"
_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_ORDER = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,"
    b"uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
_ORDER_TYPE = keccak(_ORDER)
_ORDER_FIELDS = {
    "salt": "uint256",
    "maker": "address",
    "signer": "address",
    "tokenId": "uint256",
    "makerAmount": "uint256",
    "takerAmount": "uint256",
    "side": "uint8",
    "signatureType": "uint8",
    "timestamp": "uint256",
    "metadata": "bytes32",
    "builder": "bytes32",
}
_ORDER_KINDS = ["bytes32", *_ORDER_FIELDS.values()]
# What the owner of a deposit wallet signs: the order, named to be for that wallet (ERC-7739).
_WRAPPED_TYPE = keccak(
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    + _ORDER
)
_WRAPPED_KINDS = ["bytes32", "bytes32", "bytes32", "bytes32", "uint256", "address", "bytes32"]


@lru_cache(maxsize=16)
def _domain_hash(name: str, version: str, chain_id: int, contract: str) -> bytes:
    values = [_DOMAIN_TYPE, keccak(name.encode()), keccak(version.encode()), chain_id, contract]
    return keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], values))


def _bytes32(value: str | bytes) -> bytes:
    return bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else value


def order_digest(domain: dict[str, Any], order: dict[str, Any]) -> bytes:
    """Return the EIP-712 hash of an order: the venue's own id for it.

    `domain` and `order` name their fields as the standard does. Raises ValueError (of eth_abi) for a value that is
    not of its field's type, and KeyError for a missing one.
    """
    return _in_domain(domain, _order_hash(order))


def _order_hash(order: dict[str, Any]) -> bytes:
    values = [_bytes32(order[name]) if kind == "bytes32" else order[name] for name, kind in _ORDER_FIELDS.items()]
    return keccak(encode(_ORDER_KINDS, [_ORDER_TYPE, *values]))


def _wrapped_hash(message: dict[str, Any]) -> bytes:
    values = [
        _WRAPPED_TYPE,
        _order_hash(message["contents"]),
        keccak(message["name"].encode()),
        keccak(message["version"].encode()),
        message["chainId"],
        message["verifyingContract"],
        _bytes32(message["salt"]),
    ]
    return keccak(encode(_WRAPPED_KINDS, values))


def _in_domain(domain: dict[str, Any], hashed: bytes) -> bytes:
    of_domain = _domain_hash(domain["name"], domain["version"], domain["chainId"], domain["verifyingContract"])
    return keccak(b"\x19\x01" + of_domain + hashed)


def domain_of(exchange: str) -> dict[str, Any]:
    """Return the EIP-712 domain of an exchange contract."""
    return {"name": PROTOCOL, "version": VERSION, "chainId": CHAIN_ID, "verifyingContract": exchange}


class Signer:
    """A private key, as the SDK asks for one: an address, and signatures of typed data.

    Raises ValueError or TypeError for what is no key; never repeats it in words of its own.
    """

    __slots__ = ("_key", "address")

    def __init__(self, private_key: str) -> None:
        self._key = PrivateKey(bytes.fromhex(private_key.removeprefix("0x")))
        self.address: str = _address(self._key.public_key)

    def __repr__(self) -> str:
        return f"<Signer {self.address}>"

    def sign_typed_data(self, *, full_message: dict[str, Any]) -> SignedMessage:
        """Sign typed data (EIP-712). Orders take the short way; the signatures are the same, byte by byte."""
        digest = _digest(full_message)
        signed = self._key.sign_recoverable(digest, hasher=None)
        r, s, v = int.from_bytes(signed[:32], "big"), int.from_bytes(signed[32:64], "big"), signed[64] + 27
        return SignedMessage(message_hash=HexBytes(digest), r=r, s=s, v=v, signature=HexBytes(signed[:64] + bytes([v])))


def _address(public_key: PublicKey) -> str:
    return to_checksum_address(keccak(public_key.format(compressed=False)[1:])[-20:])


def _digest(message: dict[str, Any]) -> bytes:
    shorter = {"Order": _order_hash, "TypedDataSign": _wrapped_hash}.get(message["primaryType"])
    if shorter is not None:
        return _in_domain(message["domain"], shorter(message["message"]))
    signable = encode_typed_data(full_message=message)
    return keccak(b"\x19" + signable.version + signable.header + signable.body)
