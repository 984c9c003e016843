from yoto.support.tables import aligned


def test_columns_stand_two_spaces_apart_at_the_left_or_the_right():
    titles, rows = ("name", "size", "note"), [("a", "10", "x"), ("long one", "2", "")]
    assert aligned(titles, rows, right=[False, True, False]).splitlines() == [
        "name      size  note",
        "a           10  x",
        "long one     2",
    ]
    ruled = aligned(titles, rows[:1], rule=True)
    assert ruled.splitlines() == [
        "name  size  note",
        "----  ----  ----",
        "a     10    x",
    ]
