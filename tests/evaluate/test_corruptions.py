from evaluate.corruptions import CORRUPTIONS, corrupted


def test_each_corruption_changes_the_photo(cat_jpeg: bytes) -> None:
    changed = {name: corrupted(cat_jpeg, corruption) for name, corruption in CORRUPTIONS.items()}
    assert len({*changed.values(), corrupted(cat_jpeg, lambda picture: picture)}) == len(CORRUPTIONS) + 1
    assert all(image.startswith(b"BM") for image in changed.values())
