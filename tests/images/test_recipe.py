"""Recipes: either a disk or an ISO, and what changes the image that is found by their hash."""

import shutil
from pathlib import Path

import pytest

from toolkit.images.recipe import RECIPES, RecipeFolder, recipe_names
from toolkit.model.errors import InputError


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RECIPES, tmp_path / "recipes"))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_projects_recipes_can_be_used() -> None:
    assert recipe_names() == ("appliance", "installer")
    contained = RecipeFolder("installer").contained()
    assert contained is not None
    assert contained.name == "appliance"
    assert contained.contained() is None


def test_an_iso_changes_with_the_image_it_contains_and_not_the_other_way_round(recipes: Path) -> None:
    appliance, installer = (RecipeFolder(name, recipes).hash() for name in ("appliance", "installer"))
    change(recipes / "installer" / "recipe.toml", "quiet", "")
    assert RecipeFolder("appliance", recipes).hash() == appliance
    assert RecipeFolder("installer", recipes).hash() != installer
    before = RecipeFolder("installer", recipes).hash()
    change(recipes / "appliance" / "recipe.toml", "size_mb = 640", "size_mb = 641")
    assert RecipeFolder("installer", recipes).hash() != before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[disk]", "[iso]", "iso"),
        ("[disk]", '[iso]\nlabel = "X"\nstart_id = "00000000"\ncontains = "x"\ninitrd_files = []\n[disk]', "either"),
        ('suite = "bookworm"', "suite = 12", "suite"),
        ("size_mb = 640", "size_mb = 1", "size_mb"),
        ("[disk]", "[disk", "not TOML"),
    ],
)
def test_a_recipe_that_is_wrong_is_named_with_its_place(recipes: Path, old: str, new: str, words: str) -> None:
    change(recipes / "appliance" / "recipe.toml", old, new)
    with pytest.raises(InputError, match=words) as error:
        RecipeFolder("appliance", recipes)
    assert error.value.where.endswith("recipe.toml")
