"""Installs the site package on the new box, with what it requires before it (requirements U1, U2, U10, H5)."""

from toolkit.appliances.connection import wait_until
from toolkit.appliances.protocol import BoxStatus, Progress
from toolkit.appliances.trust import box
from toolkit.appliances.world import World
from toolkit.model.errors import ApplianceError, UnreachableError
from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, witness
from toolkit.upgrade.order import next_package

# a site package needs a handful of prerequisites at most; more means that nothing ever becomes installable
_PACKAGES_MAX = 12
_INSTALL_SECONDS_MAX = 3600.0
_RESTART_SECONDS_MAX = 120.0


def _named(progress: Progress, label: str) -> Progress:
    return lambda fraction, phase: progress(fraction, f"{label}: {phase}")


def _settled(context: StepContext) -> BoxStatus:
    """The box's status once no installation is under way: one that a killed attempt has begun goes on without us.

    Raises UnreachableError when the box does not answer.
    """
    new = box(context, "new")
    if not context.begun:
        return new.status()
    seen: list[BoxStatus] = []
    silent_since: list[float] = []

    def settled() -> bool:
        try:
            seen.append(new.status())
        except UnreachableError:
            # its services restart at the end
            silent_since.append(context.clock.monotonic())
            if silent_since[-1] - silent_since[0] > _RESTART_SECONDS_MAX:
                raise
            return False
        silent_since.clear()
        context.progress(0.0, f"the box is {seen[-1].state}")
        return seen[-1].state != "installing"

    wait_until(settled, seconds=_INSTALL_SECONDS_MAX, sleep=context.clock.sleep, monotonic=context.clock.monotonic)
    return seen[-1]


class InstallSitePackage(ReadOnlyStep):
    """Installs until the wanted site package runs; the package stays when the run goes back."""

    def look(self, context: StepContext) -> Result | None:
        """Done when the box runs the wanted version, and has ended installing it."""
        status = _settled(context)
        if status.state == "installing" or status.site_version != context.step.parameters["version"]:
            return None
        return {"base_version": status.base_version, "site_version": status.site_version, "installed": []}

    def act(self, context: StepContext) -> Result:
        """Checks for updates, signs the EULA, installs; repeats until nothing is required any more."""
        world: World = context.world
        new = box(context, "new")
        wanted = str(context.step.parameters["version"])
        installed: list[str] = []
        for _ in range(_PACKAGES_MAX):
            status = new.status()
            if status.site_version == wanted:
                return {
                    "base_version": status.base_version,
                    "site_version": status.site_version,
                    "installed": list(installed),
                }
            package = next_package(new.check_for_updates(), wanted, f"new ({new.address})")
            if package.eula_required and not package.eula_accepted:
                new.accept_eula(package.id, new.eula(package.id), world.inventory.package.eula_signed_by)
            new.install_update(package.id, _named(context.progress, f"installing {package.version}"))
            installed.append(package.version)
        raise ApplianceError(
            f"{wanted} did not become installable",
            where=f"new ({new.address})",
            why=f"installed {', '.join(installed)} and it is still not there",
            next_move="Look at Support > Updates on the box.",
        )

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """The version counts, not the message that it was installed."""
        new = box(context, "new")
        status, (healthy, words) = new.status(), new.health()
        return witness(
            context,
            probe="api",
            subject=f"new ({new.address})",
            summary=f"The new box runs Base {status.base_version} and {status.site_version}; it says {words!r}.",
            passed=healthy and status.site_version == context.step.parameters["version"],
            data={"base_version": status.base_version, "site_version": status.site_version, "health": words},
        )
