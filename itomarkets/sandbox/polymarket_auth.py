"""What Polymarket's order book asks of a request: wallet signatures (L1), key signatures (L2) and signed orders.

Pure functions over bytes. Sources: the EIP-712 and ERC-7739 texts, and the exchange's V2 order struct and
ClobAuth struct as docs.polymarket.com gave them in August 2026.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage
from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

CHAIN_ID = 137
STANDARD_EXCHANGE = "0xE111180000d2663C0091e4f400237545B87B996B"
NEG_RISK_EXCHANGE = "0xe2222d279d744050d28e00520010520000310F59"

CLOB_AUTH_MESSAGE = "This message attests that I control the given wallet"

BUY, SELL = "BUY", "SELL"
EOA, PROXY, SAFE, DEPOSIT_WALLET = 0, 1, 2, 3

UNITS = 1_000_000  # pUSD and outcome tokens have six decimals

_ORDER_TYPE = (
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,"
    "uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
_TYPED_DATA_SIGN_TYPE = (
    "TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    + _ORDER_TYPE
)
_ORDER_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_AUTH_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId)"
_AUTH_TYPE = "ClobAuth(address address,string timestamp,uint256 nonce,string message)"


class BadSignature(ValueError):
    """The signature is not of the form that the signer's kind of wallet gives."""


class BadOrder(ValueError):
    """The posted order lacks a field or holds a value of another kind than the exchange reads."""


@dataclass(frozen=True, slots=True)
class WireOrder:
    """One V2 order as it is posted: amounts in millionths, `timestamp` in milliseconds, `expiration` in seconds."""

    salt: int
    maker: str
    signer: str
    token_id: str
    maker_amount: int
    taker_amount: int
    side: str
    signature_type: int
    timestamp: int
    expiration: int
    metadata: bytes
    builder: bytes
    signature: str

    @property
    def spent(self) -> int:
        """Collateral of the order, in millionths."""
        return self.maker_amount if self.side == BUY else self.taker_amount

    @property
    def shares(self) -> int:
        """Outcome tokens of the order, in millionths."""
        return self.taker_amount if self.side == BUY else self.maker_amount

    @property
    def price(self) -> Fraction:
        """Collateral a token, exactly."""
        return Fraction(self.spent, self.shares)

    def to_wire(self) -> dict[str, Any]:
        return {
            "salt": self.salt,
            "maker": self.maker,
            "signer": self.signer,
            "tokenId": self.token_id,
            "makerAmount": str(self.maker_amount),
            "takerAmount": str(self.taker_amount),
            "side": self.side,
            "signatureType": self.signature_type,
            "timestamp": str(self.timestamp),
            "expiration": str(self.expiration),
            "metadata": "0x" + self.metadata.hex(),
            "builder": "0x" + self.builder.hex(),
            "signature": self.signature,
        }


def parse_order(wire: object) -> WireOrder:
    """Parse the `order` object of a POST /order body; raises BadOrder naming the first field that is wrong."""
    if not isinstance(wire, Mapping):
        raise BadOrder("order")
    side = wire.get("side")
    if side not in (BUY, SELL):
        raise BadOrder("side")
    order = WireOrder(
        salt=_whole(wire, "salt"),
        maker=_address(wire, "maker"),
        signer=_address(wire, "signer"),
        token_id=str(_whole(wire, "tokenId")),
        maker_amount=_whole(wire, "makerAmount"),
        taker_amount=_whole(wire, "takerAmount"),
        side=side,
        signature_type=_whole(wire, "signatureType"),
        timestamp=_whole(wire, "timestamp"),
        expiration=_whole(wire, "expiration", default="0"),
        metadata=_bytes32(wire, "metadata"),
        builder=_bytes32(wire, "builder"),
        signature=str(wire.get("signature") or ""),
    )
    if order.maker_amount <= 0 or order.taker_amount <= 0:
        raise BadOrder("makerAmount")
    if order.signature_type not in (EOA, PROXY, SAFE, DEPOSIT_WALLET):
        raise BadOrder("signatureType")
    return order


def _whole(wire: Mapping[str, Any], name: str, default: object = None) -> int:
    value = wire.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BadOrder(name)
    text = str(value)
    if not (text.isascii() and text.isdigit()) or int(text) >= 1 << 256:
        raise BadOrder(name)
    return int(text)


def _address(wire: Mapping[str, Any], name: str) -> str:
    value = wire.get(name)
    if not isinstance(value, str) or not is_address(value):
        raise BadOrder(name)
    return to_checksum_address(value)


def _bytes32(wire: Mapping[str, Any], name: str) -> bytes:
    value = wire.get(name)
    if value in (None, ""):
        return bytes(32)
    if not isinstance(value, str):
        raise BadOrder(name)
    try:
        raw = bytes.fromhex(value.removeprefix("0x"))
    except ValueError as error:
        raise BadOrder(name) from error
    if len(raw) != 32:
        raise BadOrder(name)
    return raw


def exchange_of(*, neg_risk: bool) -> str:
    """Return the contract whose domain an order on such a market is signed for."""
    return NEG_RISK_EXCHANGE if neg_risk else STANDARD_EXCHANGE


def order_hash(order: WireOrder, *, neg_risk: bool, chain_id: int = CHAIN_ID) -> str:
    """Return the order's id: its EIP-712 hash, "0x" and 64 hex digits."""
    separator = _order_domain(exchange_of(neg_risk=neg_risk), chain_id)
    return "0x" + keccak(b"\x19\x01" + separator + _order_struct(order)).hex()


def order_signer(order: WireOrder, *, neg_risk: bool, chain_id: int = CHAIN_ID) -> str:
    """Return the address whose key signed the order; raises BadSignature when the bytes are of no known form.

    Types 0, 1 and 2 sign the order itself. Type 3, the deposit wallet, signs it nested in the wallet's own
    domain (ERC-7739) and appends what a contract needs to rebuild the hash; that trailer must name this order.
    """
    separator = _order_domain(exchange_of(neg_risk=neg_risk), chain_id)
    struct = _order_struct(order)
    raw = _hex_bytes(order.signature)
    if order.signature_type == DEPOSIT_WALLET:
        trailer = separator + struct + _ORDER_TYPE.encode() + len(_ORDER_TYPE).to_bytes(2, "big")
        if raw[65:] != trailer:
            raise BadSignature("the ERC-7739 trailer does not name this order")
        raw, struct = raw[:65], _nested_struct(order, struct, chain_id)
    return _recover(separator, struct, raw)


def clob_auth_signer(*, address: str, timestamp: str, nonce: int, signature: str, chain_id: int = CHAIN_ID) -> str:
    """Return the address whose key signed the L1 request for `address`; raises BadSignature."""
    separator = keccak(_text(_AUTH_DOMAIN_TYPE) + _text("ClobAuthDomain") + _text("1") + _word(chain_id))
    struct = keccak(
        _text(_AUTH_TYPE) + _address_word(address) + _text(timestamp) + _word(nonce) + _text(CLOB_AUTH_MESSAGE)
    )
    return _recover(separator, struct, _hex_bytes(signature))


def key_signature(*, secret: str, timestamp: str, method: str, path: str, body: str) -> str:
    """Return the L2 signature: URL-safe base64 of the HMAC-SHA256 over time, method, path (no query) and body."""
    try:
        key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    except (binascii.Error, ValueError) as error:
        raise BadSignature("the key's secret is not base64") from error
    message = f"{timestamp}{method}{path}{body}".encode()
    return base64.urlsafe_b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def same_signature(ours: str, theirs: str) -> bool:
    """Compare without telling by the time taken how far they agree."""
    return hmac.compare_digest(ours.encode(), theirs.encode())


def to_units(amount: Decimal) -> int:
    """Return an amount of pUSD or shares in millionths, rounded down."""
    return int(amount * UNITS)


def from_units(units: int) -> Decimal:
    """Return millionths as an amount of pUSD or shares."""
    return Decimal(units) / UNITS


def _order_domain(exchange: str, chain_id: int) -> bytes:
    name = _text("Polymarket CTF Exchange")
    return keccak(_text(_ORDER_DOMAIN_TYPE) + name + _text("2") + _word(chain_id) + _address_word(exchange))


def _order_struct(order: WireOrder) -> bytes:
    return keccak(
        _text(_ORDER_TYPE)
        + _word(order.salt)
        + _address_word(order.maker)
        + _address_word(order.signer)
        + _word(int(order.token_id))
        + _word(order.maker_amount)
        + _word(order.taker_amount)
        + _word(0 if order.side == BUY else 1)
        + _word(order.signature_type)
        + _word(order.timestamp)
        + order.metadata
        + order.builder
    )


def _nested_struct(order: WireOrder, struct: bytes, chain_id: int) -> bytes:
    return keccak(
        _text(_TYPED_DATA_SIGN_TYPE)
        + struct
        + _text("DepositWallet")
        + _text("1")
        + _word(chain_id)
        + _address_word(order.signer)
        + bytes(32)
    )


def _recover(separator: bytes, struct: bytes, signature: bytes) -> str:
    if len(signature) != 65:
        raise BadSignature(f"a signature of {len(signature)} bytes; expected 65")
    try:
        return Account.recover_message(SignableMessage(b"\x01", separator, struct), signature=signature)
    except Exception as error:  # eth_keys raises a dozen kinds for numbers that are no point of the curve
        raise BadSignature("the signature recovers to no address") from error


def _hex_bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise BadSignature("the signature is not hexadecimal") from error


def _text(text: str) -> bytes:
    return keccak(text.encode())


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _address_word(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x")).rjust(32, b"\0")
