"""The floors hold, and every pure package is named in the contract that keeps it pure."""

from importlinter.cli import lint_imports

from house.tree import ROOT, project

PURE = ("cim", "dlms", "grid", "mdm", "gate", "revenue")


def test_no_import_goes_up_a_floor(tmp_path, capsys):
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=str(tmp_path), no_logo=True)
    assert status == 0, capsys.readouterr().out


def test_every_pure_package_that_stands_is_kept_pure():
    contracts = project()["tool"]["importlinter"]["contracts"]
    [pure] = [contract for contract in contracts if "asyncio" in contract.get("forbidden_modules", [])]
    standing = {f"bijlighar.{name}" for name in PURE if (ROOT / "src" / "bijlighar" / name).is_dir()}
    assert set(pure["source_modules"]) == standing


def test_the_layers_are_exhaustive():
    contracts = project()["tool"]["importlinter"]["contracts"]
    [layers] = [contract for contract in contracts if contract["type"] == "layers"]
    assert layers["exhaustive"] is True
    assert layers["containers"] == ["bijlighar"]
