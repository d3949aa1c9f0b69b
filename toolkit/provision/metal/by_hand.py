"""A new box on metal without a BMC: a person boots the installer there; what comes of it is seen from the network.

The installer checks serial number, MAC and disk itself, so that a stick in the wrong machine writes nothing. What the
box says on its console only a person can read: they write it into a file of the run, and it counts once the box at the
new address serves exactly that certificate.
"""

from pydantic import TypeAdapter, ValidationError

from toolkit.appliances.trust import box, learnt, trust
from toolkit.appliances.world import World
from toolkit.images.installer_job import write_job_iso
from toolkit.model.errors import InputError, ReboxError, UnreachableError
from toolkit.model.execution import Outcome, Result, StepContext, witness
from toolkit.model.fields import Fingerprint
from toolkit.model.provision import OperatorProvision
from toolkit.probes.tls import observe
from toolkit.provision.metal.identity import MachineIdentity
from toolkit.provision.metal.jobs import InstallOrder, install_order, installer_iso
from toolkit.provision.steps import ProvisionNew
from toolkit.storage.given_file import read_given_text
from toolkit.storage.whole_file import write_whole

ISO, FINGERPRINT = "installer.iso", "new-fingerprint"
_ORDER = "installer-order"
_FINGERPRINT: TypeAdapter[str] = TypeAdapter(Fingerprint)


class InstallByHand(ProvisionNew):
    """Writes the installer for the machine, and sees when the box answers as what its console says."""

    def look(self, context: StepContext) -> Result | None:
        """Done when the box answers under a certificate that a person has read off its console, or that was known."""
        if not self._is_recognised(context):
            return None
        try:
            box(context, "new").reset_status()
        except UnreachableError as error:
            context.progress(0.0, f"not yet: {error.what}")
            return None
        return {"made_here": True}

    def act(self, context: StepContext) -> Result:
        """Writes the installer into the run's folder, unless the one for this order is there."""
        order = _order(context.world)
        iso, mark = context.run_directory / ISO, context.run_directory / _ORDER
        if not iso.exists() or not mark.exists() or mark.read_text(encoding="ascii") != order.sha256:
            write_job_iso(installer_iso(), order.job(None), iso)
            write_whole(mark, order.sha256.encode())
        return {}

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """The person switches the machine off; the network shows it. The installer, with its one-time secrets, goes."""
        (context.run_directory / ISO).unlink(missing_ok=True)
        new = box(context, "new")
        off = False
        try:
            new.health()
        except UnreachableError:
            off = True
        except ReboxError:
            pass  # an answer, whatever it says
        return witness(
            context,
            probe="tcp",
            subject=f"new ({new.address})",
            summary="The new box no longer answers." if off else "The new box still answers.",
            passed=off,
        )

    def _is_recognised(self, context: StepContext) -> bool:
        world: World = context.world
        if world.inventory.new.tls_sha256 or learnt(context.run_directory, "new"):
            return True
        served = observe(world.new.address, world.inventory.new.port, verify=False).sha256
        if served is None:
            context.progress(0.0, f"not yet: nobody answers at {world.new.address}")
            return False
        typed = _typed(context)
        if typed is None:
            context.progress(0.0, f"{world.new.address} serves the certificate {served}: is it what its console says?")
            return False
        if typed != served:
            context.progress(0.0, f"{world.new.address} serves the certificate {served}, not the one in {FINGERPRINT}")
            return False
        trust(context, "new", typed)
        return True


def _typed(context: StepContext) -> str | None:
    path = context.run_directory / FINGERPRINT
    if not path.exists():
        return None
    text = read_given_text(path, what="the fingerprint cannot be read", next_move="Write it anew.")
    try:
        return _FINGERPRINT.validate_python(text.strip())
    except ValidationError:
        raise InputError(
            "this is no fingerprint",
            where=str(path),
            why="64 hexadecimal digits were expected",
            next_move="Write what the console shows behind `certificate sha256:`, then resume.",
        ) from None


def _order(world: World) -> InstallOrder:
    inventory = world.inventory
    provision = inventory.provision
    password = inventory.new.admin_password
    if not isinstance(provision, OperatorProvision) or password is None:
        raise InputError(
            "the new box is not installed by hand", next_move='Put driver = "operator" back into [provision].'
        )
    meant = MachineIdentity(provision.machine_serial or inventory.new.serial_number, None, (provision.mac,))
    secret = world.secret(password, "the new box's admin account")
    return install_order(inventory, provision, meant, secret, world.path)
