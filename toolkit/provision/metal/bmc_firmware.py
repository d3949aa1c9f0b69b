"""Firmware settings through a BMC: BIOS, Secure Boot keys and the BMC's own, each reset only where that is offered.

Redfish (DMTF DSP0266), schemas `Bios`, `AttributeRegistry`, `SecureBoot`, `Manager` (DSP0268).
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from pydantic import JsonValue

from toolkit.model.errors import ApplianceError
from toolkit.model.firmware import BiosState, BmcReset, KeyDatabase
from toolkit.provision.metal.bmc import Bmc

_ROOT = "/redfish/v1/"
_RESET_BIOS, _RESET_KEYS, _RESET_BMC = "#Bios.ResetBios", "#SecureBoot.ResetKeys", "#Manager.ResetToDefaults"
_ALL_KEYS = "ResetAllKeysToDefault"
_BMC_RESETS: tuple[BmcReset, ...] = ("PreserveNetwork", "ResetAll")
"""The one that leaves the BMC within reach first, as long as it forgets its accounts."""

_KEPT_BY_A_RESET = ("ReadOnly", "Immutable", "IsSystemUniqueProperty")


class BmcFirmware:
    """The firmware of one machine; every call raises ReboxError."""

    def __init__(self, bmc: Bmc) -> None:
        self._bmc = bmc

    # ---------------------------------------------------------------------------------------------------- BIOS

    def bios(self) -> BiosState | None:
        """What the BIOS is set to; None when the BMC offers no reset of it."""
        bios = self._linked(self._system(), "Bios")
        if _target(bios, _RESET_BIOS) is None:
            return None
        return BiosState(
            attributes=_table(bios.get("Attributes")),
            defaults=self._defaults(str(bios.get("AttributeRegistry") or "")),
            pending=bios.get("ResetBiosToDefaultsPending"),
        )

    def reset_bios(self) -> None:
        """Asks for the BIOS's defaults; some take effect with the machine's next start."""
        self._order(self._linked(self._system(), "Bios"), _RESET_BIOS, {}, "the BIOS cannot be reset")

    def _defaults(self, registry: str) -> dict[str, JsonValue]:
        entries = _table(self._registry(registry).get("RegistryEntries")).get("Attributes") if registry else None
        found: dict[str, JsonValue] = {}
        for entry in _tables(entries):
            default = entry.get("DefaultValue")
            if default is None or entry.get("Type") == "Password" or any(entry.get(word) for word in _KEPT_BY_A_RESET):
                continue
            found[str(entry.get("AttributeName"))] = default
        return found

    def _registry(self, name: str) -> dict[str, Any]:
        """The attribute registry that the BIOS names; empty when the BMC does not publish it."""
        files = self._linked(self._bmc.read(_ROOT) or {}, "Registries")
        stem = name.partition(".")[0].lower()
        for path in _paths(files.get("Members")):
            if stem not in path.lower():
                continue  # there may be dozens of registries, and BMCs are slow
            file = self._bmc.read(path) or {}
            # versions are written in several ways; the stem names the BIOS
            if stem not in {str(file.get(field)).partition(".")[0].lower() for field in ("Id", "Registry")}:
                continue
            for location in _tables(file.get("Location")):
                if str(location.get("Language", "en")).startswith("en") and isinstance(location.get("Uri"), str):
                    return self._bmc.read(location["Uri"]) or {}
        return {}

    # --------------------------------------------------------------------------------------------- Secure Boot

    def key_databases(self) -> tuple[KeyDatabase, ...]:
        """The databases of Secure Boot keys beside the factory's; none where they cannot be reset, or not read back."""
        secure = self._linked(self._system(), "SecureBoot")
        offered = _table(_table(secure.get("Actions")).get(_RESET_KEYS))
        if _ALL_KEYS not in offered.get("ResetKeysType@Redfish.AllowableValues", [_ALL_KEYS]) or not offered:
            return ()
        held = {
            str(database.get("DatabaseId") or database.get("Id")): self._held(database)
            for database in self._members(self._linked(secure, "SecureBootDatabases"))
        }
        return tuple(
            KeyDatabase(name, enrolled, held[f"{name}Default"])
            for name, enrolled in sorted(held.items())
            if f"{name}Default" in held
        )

    def reset_keys(self) -> None:
        """Asks for the factory's Secure Boot keys."""
        secure = self._linked(self._system(), "SecureBoot")
        self._order(secure, _RESET_KEYS, {"ResetKeysType": _ALL_KEYS}, "the Secure Boot keys cannot be reset")

    def _held(self, database: Mapping[str, Any]) -> frozenset[str]:
        texts = [
            str(entry.get(field))
            for collection, field in (("Certificates", "CertificateString"), ("Signatures", "SignatureString"))
            for entry in self._members(self._linked(database, collection))
        ]
        return frozenset(sha256("".join(text.split()).encode()).hexdigest() for text in texts)

    # ----------------------------------------------------------------------------------------------- the BMC

    def bmc_reset(self) -> BmcReset | None:
        """How the BMC can be reset; None: it offers no reset that forgets its accounts, or is other machines' too."""
        manager = self._manager()
        offered = _table(_table((manager or {}).get("Actions")).get(_RESET_BMC))
        allowed = offered.get("ResetType@Redfish.AllowableValues", ["ResetAll"]) if offered else []
        return next((how for how in _BMC_RESETS if how in allowed), None)

    def reset_bmc(self, how: BmcReset) -> None:
        """Asks the BMC to forget what it was set to; it may go away before it answers."""
        self._order(self._manager() or {}, _RESET_BMC, {"ResetType": how}, "the BMC cannot be reset")

    def _manager(self) -> dict[str, Any] | None:
        """The one manager of this machine and of no other one."""
        system = self._system()
        managers = _paths(_table(system.get("Links")).get("ManagedBy"))
        managers = managers or _paths(self._linked(self._bmc.read(_ROOT) or {}, "Managers").get("Members"))
        if len(managers) != 1:
            return None
        manager = self._bmc.read(managers[0]) or {}
        served = _paths(_table(manager.get("Links")).get("ManagerForServers"))
        served = served or _paths(self._linked(self._bmc.read(_ROOT) or {}, "Systems").get("Members"))
        return manager if [path.rstrip("/") for path in served] == [self._bmc.system_path.rstrip("/")] else None

    # -------------------------------------------------------------------------------------------------- details

    def _system(self) -> dict[str, Any]:
        return self._bmc.read(self._bmc.system_path) or {}

    def _linked(self, resource: Mapping[str, Any], name: str) -> dict[str, Any]:
        """The resource behind a link; empty where there is none."""
        path = _table(resource.get(name)).get("@odata.id")
        return (self._bmc.read(path) or {}) if isinstance(path, str) else {}

    def _members(self, collection: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for path in _paths(collection.get("Members")):
            yield self._bmc.read(path) or {}

    def _order(self, resource: Mapping[str, Any], action: str, body: dict[str, Any], what: str) -> None:
        target = _target(resource, action)
        if target is None:
            raise ApplianceError(
                what, where=self._bmc.where, why=f"the BMC does not offer {action.lstrip('#')} any more"
            )
        self._bmc.order(target, body, what)


def _target(resource: Mapping[str, Any], action: str) -> str | None:
    target = _table(_table(resource.get("Actions")).get(action)).get("target")
    return target if isinstance(target, str) else None


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _tables(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _paths(members: object) -> list[str]:
    return [member["@odata.id"] for member in _tables(members) if isinstance(member.get("@odata.id"), str)]
