"""The sandbox's users: a name has the same keys for ever, 10,000 on each venue to begin with."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from eth_keys import keys

from .ledger import Ledger
from .model import SHARDS, VENUES
from .store import Account, Store

NAMESPACE = UUID("6b0f2f3e-8a55-5d0c-9d55-2f5f0f0d3a11")
OPENING = Decimal(10_000)


class Accounts:
    """The users of both venues, kept in the store."""

    def __init__(self, store: Store, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._by_id: dict[str, Account] = {account.id: account for account in store.rows(Account)}
        self._by_key = {account.kalshi_key_id: account for account in self._by_id.values()}
        self._by_address = {account.polymarket_address.lower(): account for account in self._by_id.values()}

    def create(self, name: str, *, kalshi_key: str = "ed25519") -> Account:
        """Return the account of a name, made with opening cash if it is new.

        The keys follow from the name alone, so that a lost store gives the same ones; an RSA key (kalshi_key "rsa")
        cannot, and is kept. Raises ValueError for an empty or overlong name or another kind of key.
        """
        if not 1 <= len(name) <= 80 or not name.isprintable():
            raise ValueError(f"name is {name!r}; expected 1 to 80 printable characters")
        if kalshi_key not in ("ed25519", "rsa"):
            raise ValueError(f"kalshi_key is {kalshi_key!r}; expected ed25519 or rsa")
        found = self._by_id.get(self._id(name))
        return found or self._make(name, kalshi_key)

    def get(self, account_id: str) -> Account | None:
        return self._by_id.get(account_id)

    def all(self) -> list[Account]:
        return list(self._by_id.values())

    def by_name(self, name: str) -> Account | None:
        return self._by_id.get(self._id(name))

    def by_kalshi_key(self, key_id: str) -> Account | None:
        return self._by_key.get(key_id)

    def by_address(self, address: str) -> Account | None:
        """Return the account of a Polymarket signer address, in any case of letters."""
        return self._by_address.get(address.lower())

    def save(self, account: Account) -> None:
        """Keep what a venue's side noted on an account."""
        self._store.save(account)

    @staticmethod
    def _id(name: str) -> str:
        return str(uuid5(NAMESPACE, f"account {name}"))

    def _make(self, name: str, kalshi_key: str) -> Account:
        private = (
            Ed25519PrivateKey.from_private_bytes(_secret("kalshi", name))
            if kalshi_key == "ed25519"
            else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        )
        wallet = keys.PrivateKey(_secret("polymarket", name))
        account = Account(
            id=self._id(name),
            name=name,
            created_at=self._clock(),
            kalshi_key_id=str(uuid5(NAMESPACE, f"kalshi key {name}")),
            kalshi_private_key_pem=private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            kalshi_public_key_pem=private.public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode(),
            polymarket_private_key=wallet.to_hex(),
            polymarket_address=wallet.public_key.to_checksum_address(),
        )
        with self._store.transaction():
            self._store.save(account)
            for venue in VENUES:
                shards = SHARDS[venue]
                for shard in range(shards):
                    self._ledger.credit(account.id, venue, shard, OPENING / shards)
        self._by_id[account.id] = account
        self._by_key[account.kalshi_key_id] = account
        self._by_address[account.polymarket_address.lower()] = account
        return account


def _secret(kind: str, name: str) -> bytes:
    """Return the 32 bytes of a name's key: play money needs no more secret than that."""
    return hashlib.sha256(f"itomarkets sandbox {kind} key of {name}".encode()).digest()
