"""Both boxes stand side by side, fact by fact."""

from toolkit.report.boxes import fact_table


def test_old_stands_before_new_and_what_differs_is_marked() -> None:
    table = fact_table(
        {
            "new": {"model": "B400", "dns": ["10.0.0.53"], "records": {"users": 0}},
            "old": {"model": "B300", "dns": ["10.0.0.53"], "records": {"users": 12_000, "recording_bytes": 1500}},
        }
    )
    assert table.boxes == ("old", "new")
    rows = {row.name: row for row in table.rows}
    assert rows["model"].values == ("B300", "B400")
    assert rows["model"].differs
    assert not rows["dns"].differs
    assert rows["records.users"].values == ("12,000", "0")
    assert rows["records.recording_bytes"].values == ("1.5\N{NO-BREAK SPACE}kB", "")


def test_a_new_box_in_use_is_compared_like_the_old_one() -> None:
    table = fact_table({"old": {"status": {"model": "B300"}}, "new": {"in_use": {"status": {"model": "B400"}}}})
    assert [(row.name, row.values) for row in table.rows] == [("status.model", ("B300", "B400"))]


def test_lists_of_things_are_numbered_and_empty_ones_are_said_to_be() -> None:
    table = fact_table({"old": {"interfaces": [{"name": "eth0", "link": True}, {"name": "eth1"}], "ntp": []}})
    assert [(row.name, row.values[0]) for row in table.rows] == [
        ("interfaces[1].name", "eth0"),
        ("interfaces[1].link", "yes"),
        ("interfaces[2].name", "eth1"),
        ("ntp", "none"),
    ]


def test_a_port_is_a_name_and_not_a_quantity() -> None:
    table = fact_table({"old": {"tls_port": 10443}})
    assert table.rows[0].values == ("10443",)


def test_a_measured_number_is_told_to_thousandths() -> None:
    table = fact_table({"old": {"answer_ms": 45.574044000204594}})
    assert table.rows[0].values == ("45.574",)


def test_what_belongs_to_no_box_is_kept() -> None:
    table = fact_table({"name": None, "ttl_seconds": 300})
    assert [(row.name, row.values) for row in table.other] == [("name", ("none",)), ("ttl_seconds", ("300",))]
