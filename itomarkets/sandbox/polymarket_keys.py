"""Who asks the order book: wallets, API keys, and the addresses of the contracts that act for a wallet.

A wallet's keys are derived from its address, so that a name has the same keys after every restart.
"""

import base64
import hashlib
import uuid
from dataclasses import dataclass

from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak
from starlette.datastructures import Headers

from .engine import World
from .polymarket_auth import (
    DEPOSIT_WALLET,
    EOA,
    PROXY,
    SAFE,
    BadSignature,
    clob_auth_signer,
    key_signature,
    same_signature,
)
from .polymarket_wire import WireError
from .store import Account

# Contracts on Polygon that deploy and implement Polymarket's wallets (docs.polymarket.com, contracts).
PROXY_FACTORY = "0xaB45c5A4B0c941a2F231C04C3f49182e1A254052"
PROXY_IMPLEMENTATION = "0x44e999d5c2F66Ef0861317f9A4805AC2e90aEB4f"
SAFE_FACTORY = "0xaacFeEa03eb1561C4e67d661e40682Bd20E3541b"
SAFE_CODE_HASH = "0x2bce2127ff07fb632d16c8347c4ebf501f4841168bed00d9e6ef715ddb6fcecf"
DEPOSIT_FACTORY = "0x00000000000Fb5C9ADea0298D729A0CB3823Cc07"
DEPOSIT_BEACON = "0x7A18EDfe055488A3128f01F563e5B479D92ffc3a"
# Solady's minimal beacon proxy: its code around the beacon's address.
BEACON_PREFIX = 0x6100523D8160233D3973
BEACON_HEAD = bytes.fromhex("60195155f3363d3d373d3d363d602036600436635c60da")
BEACON_MIDDLE = bytes.fromhex("1b60e01b36527fa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6c")
BEACON_TAIL = bytes.fromhex("b3582b35133d50545afa5036515af43d6000803e604d573d6000fd5b3d6000f3")

UNAUTHORIZED = "Unauthorized/Invalid api key"
BAD_L1 = "Invalid L1 Request headers"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One API key of an account."""

    key: str
    secret: str
    passphrase: str

    def to_wire(self) -> dict[str, str]:
        return {"apiKey": self.key, "secret": self.secret, "passphrase": self.passphrase}


@dataclass(frozen=True, slots=True)
class Caller:
    """An account and the key that it called with."""

    account: Account
    key: ApiKey

    @property
    def address(self) -> str:
        return to_checksum_address(self.account.polymarket_address)


class Keys:
    """The API keys of the sandbox's accounts."""

    def __init__(self, world: World) -> None:
        self._accounts = world.accounts
        self._store = world.store

    def owner(self, address: str) -> Account | None:
        """Return the account of a wallet or of a contract that acts for it."""
        found = self._accounts.by_address(address)
        if found is None:
            wanted = address.lower()
            found = next((account for account in self._accounts.all() if wanted in _lower_wallets(account)), None)
        return found

    def open_key(self, account: Account, nonce: int = 0) -> ApiKey:
        """Give an account the key of a nonce, if it has none, and return it."""
        key = derive_key(account.polymarket_address, nonce)
        nonces = account.polymarket.setdefault("nonces", [])
        if nonce not in nonces:
            nonces.append(nonce)
            self._store.save(account)
        return key

    def has_key(self, account: Account, nonce: int) -> bool:
        return nonce in account.polymarket.get("nonces", [])

    def of(self, account: Account) -> list[ApiKey]:
        return [derive_key(account.polymarket_address, nonce) for nonce in account.polymarket.get("nonces", [])]

    def drop_key(self, caller: Caller) -> None:
        nonces = caller.account.polymarket.get("nonces", [])
        address = caller.account.polymarket_address
        caller.account.polymarket["nonces"] = [n for n in nonces if derive_key(address, n).key != caller.key.key]
        self._store.save(caller.account)

    def wallet_caller(self, headers: Headers) -> tuple[Account, int]:
        """Return the account and nonce of an L1 request; 401 unless its wallet signed it."""
        address, timestamp = headers.get("POLY_ADDRESS", ""), headers.get("POLY_TIMESTAMP", "")
        nonce = headers.get("POLY_NONCE", "0")
        if not (is_address(address) and timestamp.isdigit() and nonce.isdigit()):
            raise WireError(401, BAD_L1)
        try:
            signer = clob_auth_signer(
                address=address,
                timestamp=timestamp,
                nonce=int(nonce),
                signature=headers.get("POLY_SIGNATURE", ""),
            )
        except BadSignature as error:
            raise WireError(401, BAD_L1) from error
        if signer != to_checksum_address(address):
            raise WireError(401, BAD_L1)
        account = self._accounts.by_address(address)
        if account is None:
            raise WireError(401, f"{BAD_L1}: no account of this sandbox has the wallet {address}")
        return account, int(nonce)

    def key_caller(self, headers: Headers, *, method: str, path: str, body: bytes) -> Caller:
        """Return who an L2 request comes from; 401 unless key, passphrase, wallet and signature agree."""
        address, timestamp = headers.get("POLY_ADDRESS", ""), headers.get("POLY_TIMESTAMP", "")
        account = self._accounts.by_address(address)
        if account is None or not timestamp.isdigit():
            raise WireError(401, UNAUTHORIZED)
        wanted = headers.get("POLY_API_KEY", "")
        key = next((key for key in self.of(account) if key.key == wanted), None)
        if key is None or not same_signature(key.passphrase, headers.get("POLY_PASSPHRASE", "")):
            raise WireError(401, UNAUTHORIZED)
        try:
            ours = key_signature(
                secret=key.secret, timestamp=timestamp, method=method, path=path, body=body.decode(errors="replace")
            )
        except BadSignature as error:
            raise WireError(401, UNAUTHORIZED) from error
        if not same_signature(ours, headers.get("POLY_SIGNATURE", "")):
            raise WireError(401, UNAUTHORIZED)
        return Caller(account, key)


def open_keys(world: World, account: Account) -> dict[str, str]:
    """Give an account its first API key and return it as the order book does."""
    return Keys(world).open_key(account).to_wire()


def derive_key(address: str, nonce: int) -> ApiKey:
    """Return the API key of a wallet and nonce; always the same."""

    def digest(kind: str) -> bytes:
        return hashlib.sha256(f"itomarkets sandbox {kind} {address.lower()} {nonce}".encode()).digest()

    return ApiKey(
        key=str(uuid.UUID(bytes=digest("api key")[:16], version=4)),
        secret=base64.urlsafe_b64encode(digest("secret")).decode(),
        passphrase=digest("passphrase").hex(),
    )


def wallets_of(address: str) -> dict[int, str]:
    """Return the addresses that may hold an owner's money, by signature type."""
    owner = bytes.fromhex(to_checksum_address(address)[2:])
    word = owner.rjust(32, b"\0")
    deposit_args = bytes.fromhex(DEPOSIT_FACTORY[2:]).rjust(32, b"\0") + word
    beacon_code = (
        (BEACON_PREFIX + (len(deposit_args) << 56)).to_bytes(10, "big")
        + bytes.fromhex(DEPOSIT_BEACON[2:])
        + BEACON_HEAD
        + BEACON_MIDDLE
        + BEACON_TAIL
        + deposit_args
    )
    proxy_code = bytes.fromhex(
        "3d3d606380380380913d393d73"
        + PROXY_FACTORY[2:].lower()
        + "5af4602a57600080fd5b602d8060366000396000f3363d3d373d3d3d363d73"
        + PROXY_IMPLEMENTATION[2:].lower()
        + "5af43d82803e903d91602b57fd5bf352e831dd"
        + "20".rjust(64, "0")
        + "0" * 64
    )
    return {
        EOA: to_checksum_address(address),
        PROXY: _create2(PROXY_FACTORY, keccak(owner), keccak(proxy_code)),
        SAFE: _create2(SAFE_FACTORY, keccak(word), bytes.fromhex(SAFE_CODE_HASH[2:])),
        DEPOSIT_WALLET: _create2(DEPOSIT_FACTORY, keccak(deposit_args), keccak(beacon_code)),
    }


def _lower_wallets(account: Account) -> set[str]:
    return {wallet.lower() for wallet in wallets_of(account.polymarket_address).values()}


def _create2(factory: str, salt: bytes, code_hash: bytes) -> str:
    return to_checksum_address(keccak(b"\xff" + bytes.fromhex(factory[2:]) + salt + code_hash)[12:])
