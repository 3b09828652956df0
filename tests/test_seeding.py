from harness.seeding import derive_seed, generator


def test_seeds_differ_by_seed_and_by_purpose():
    seeds = {derive_seed(seed, *purpose) for seed in range(3) for purpose in (("mining",), ("training",), ("a", "b"))}

    assert len(seeds) == 9
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_purposes_are_not_joined_without_a_boundary():
    assert derive_seed(0, "ab", "c") != derive_seed(0, "a", "bc")


def test_the_same_seed_gives_the_same_numbers():
    assert generator(7, "mining").random() == generator(7, "mining").random()
    assert generator(7, "mining").random() != generator(8, "mining").random()
