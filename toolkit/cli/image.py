"""`rebox image`: build disk images from their recipes, list them, verify them."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from toolkit.cli.output import JsonOption, emit_json, end, out, progress_bar, result_table
from toolkit.images.build import Image, build
from toolkit.images.cache import ImageCache
from toolkit.images.manifest import SBOM, Manifest, read_packages
from toolkit.images.netboot import INITRD, KERNEL, SCRIPT, write_netboot
from toolkit.images.recipe import RecipeFolder, recipe_names
from toolkit.images.verify import Finding, verify
from toolkit.model.verdict import Verdict

app = typer.Typer(
    help="Disk images for new boxes: build, list, verify, start over the network.",
    rich_markup_mode=None,
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The recipe's name, e.g. appliance.")]
NameOrAll = Annotated[str | None, typer.Argument(metavar="[NAME]", help="The recipe's name; without it all images.")]


@app.command("build")
def build_image(
    name: Name,
    packages: Annotated[
        Path | None, typer.Option("--packages", metavar="FILE", help="Build from exactly this recorded package list.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Build from today's packages, even if it is built.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait while another build of this image runs, or be refused.")] = True,
    json: JsonOption = False,
) -> None:
    """Build an image; one that is built already from the same recipe is left as it is."""
    listed = None if packages is None else read_packages(packages)
    with progress_bar(name) as progress:
        image = build(RecipeFolder(name), ImageCache(name), packages=listed, fresh=fresh, progress=progress, wait=wait)
    if json:
        emit_json({"was_there": image.was_there, **_described(image.folder, image.manifest)})
        return
    _show(image)


@app.command("netboot")
def write_netboot_files(
    iso: Annotated[Path, typer.Argument(metavar="ISO", help="An installer's ISO, e.g. runs/latest/installer.iso.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the boot server's files are to lie.")],
    json: JsonOption = False,
) -> None:
    """Take an installer's ISO apart for a machine that starts over the network (PXE, iPXE, UEFI)."""
    made = write_netboot(iso, folder)
    if json:
        emit_json({"folder": str(folder), "files": [KERNEL, INITRD, SCRIPT], "command_line": made.command_line})
        return
    out.print(f"{folder} holds {KERNEL}, {INITRD} and {SCRIPT}, which starts them by iPXE.", soft_wrap=True)
    out.print("  Other loaders: that kernel, that initrd, and the command line", soft_wrap=True)
    out.print(Text(f"  {made.command_line}"), soft_wrap=True)
    out.print(
        "  Mode 0600: give them to the user that the boot server runs as; delete them afterwards.", soft_wrap=True
    )


@app.command("list")
def list_images(json: JsonOption = False) -> None:
    """List recipes and the images built from them."""
    rows: list[dict[str, Any]] = []
    for name in recipe_names():
        current = RecipeFolder(name).hash()
        images = ImageCache(name).images()
        if not any(manifest.recipe_sha256 == current for _, manifest in images):
            rows.append({"name": name, "state": "not built", "recipe_sha256": current})
        rows += [
            {"state": "current" if manifest.recipe_sha256 == current else "outdated", **_described(folder, manifest)}
            for folder, manifest in images
        ]
    if json:
        emit_json(rows)
        return
    result_table(
        "Images",
        ("name", "state", "recipe", "SHA-256", "size on disk", "folder"),
        (
            (
                row["name"],
                row["state"],
                row["recipe_sha256"][:12],
                row.get("sha256", "")[:12],
                f"{row['bytes_on_disk'] / 1e6:.0f} MB" if "bytes_on_disk" in row else "",
                row.get("folder", ""),
            )
            for row in rows
        ),
        whole=("folder",),
    )


@app.command("verify")
def verify_images(name: NameOrAll = None, json: JsonOption = False) -> None:
    """Read images back and compare every byte with what was recorded when they were built."""
    names = recipe_names() if name is None else (RecipeFolder(name).name,)
    images = [(folder, manifest) for one in names for folder, manifest in ImageCache(one).images()]
    results: list[tuple[Path, Manifest, list[Finding]]] = []
    with progress_bar("verify") as progress:
        for number, (folder, manifest) in enumerate(images):
            said = partial(_part, progress, number, len(images))
            results.append((folder, manifest, verify(folder, manifest, said)))
    verdict = Verdict.PASSED if images else Verdict.UNKNOWN
    if any(findings for _, _, findings in results):
        verdict = Verdict.FAILED
    if json:
        emit_json({"verdict": verdict.value, "images": [_judged(*result) for result in results]})
        end(verdict)
    if not images:
        out.print("No image is built: nothing was verified. Build one: rebox image build NAME")
    for folder, manifest, findings in results:
        out.print(f"{manifest.name}: {'failed' if findings else 'passed'}  {folder}", soft_wrap=True)
        for finding in findings:
            out.print(f"  {finding.file} {finding.what}", soft_wrap=True)
    end(verdict)


def _part(progress: Callable[[float, str], None], number: int, count: int, fraction: float, phase: str) -> None:
    progress((number + fraction) / count, phase)


def _judged(folder: Path, manifest: Manifest, findings: list[Finding]) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "folder": str(folder),
        "sha256": manifest.sha256,
        "verdict": "failed" if findings else "passed",
        "findings": [asdict(one) for one in findings],
    }


def _described(folder: Path, manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "folder": str(folder),
        "recipe_sha256": manifest.recipe_sha256,
        "sha256": manifest.sha256,
        "image": str(folder / manifest.image),
        "kernel_version": manifest.kernel_version,
        "build_seconds": manifest.build_seconds,
        "bytes_on_disk": sum(
            (folder / name).stat().st_blocks * 512 for name in manifest.files if (folder / name).exists()
        ),
        "files": {name: one.model_dump() for name, one in manifest.files.items()},
    }


def _show(image: Image) -> None:
    manifest = image.manifest
    said = "was built already" if image.was_there else f"is built after {manifest.build_seconds:.0f} s"
    out.print(f"The image {manifest.name} {said}.")
    out.print(f"  image     {image.folder / manifest.image}", soft_wrap=True)
    out.print(f"  SHA-256   {manifest.sha256}", soft_wrap=True)
    out.print(f"  contents  {image.folder / SBOM}", soft_wrap=True)
