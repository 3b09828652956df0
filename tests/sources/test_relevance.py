from harness.sources.docstring_reader import Docstring
from harness.sources.relevance import Relevance, content_words, derive_relevance

WORDS = [f"word{number}" for number in range(20)]


def docstring(place: str, summary: str, *extra: str, shared: int = 20) -> Docstring:
    """Make a docstring whose body shares `shared` words with those of the others."""
    return Docstring(place, place.rpartition(".")[2], summary, " ".join([*WORDS[:shared], *extra]))


def other(place: str, summary: str, letter: str) -> Docstring:
    """Make a docstring whose body shares nothing with those of the others."""
    return Docstring(place, place.rpartition(".")[2], summary, " ".join(letter * length for length in range(2, 22)))


def answers(relevance: Relevance) -> dict[str, set[str]]:
    return {
        query.place: {relevance.documents[document].place for document in found}
        for query, found in zip(relevance.queries, relevance.relevant, strict=True)
    }


def test_equal_summaries_share_a_query_and_all_their_bodies() -> None:
    rows = [
        other("a.f", "Fit the  model.", "x"),
        other("b.g", "fit the model.", "y"),
        other("c.h", "Plot the model.", "z"),
    ]

    assert answers(derive_relevance(rows, 0.7)) == {"a.f": {"a.f", "b.g"}, "c.h": {"c.h"}}


def test_equal_bodies_are_one_document() -> None:
    rows = [docstring("a.f", "Fit one model here."), docstring("b.g", "Plot two figures there.")]

    relevance = derive_relevance(rows, 0.7)

    assert [each.place for each in relevance.documents] == ["a.f"]
    assert relevance.relevant == ((0,), (0,))


def test_summaries_that_differ_in_stop_words_and_plurals_answer_each_other() -> None:
    rows = [
        other("a.f", "Computes the mean values of arrays.", "x"),
        other("b.g", "Compute mean value of an array.", "y"),
    ]

    assert answers(derive_relevance(rows, 0.7)) == {"a.f": {"a.f", "b.g"}, "b.g": {"a.f", "b.g"}}


def test_the_order_of_content_words_counts_between_different_names() -> None:
    rows = [
        other("a.f", "Convert radians angles to degrees.", "x"),
        other("b.g", "Convert degrees angles to radians.", "y"),
    ]

    assert answers(derive_relevance(rows, 0.7)) == {"a.f": {"a.f"}, "b.g": {"b.g"}}


def test_a_namesake_that_says_more_answers_the_general_query_but_not_the_reverse() -> None:
    rows = [
        other("a.mean", "Compute the mean value.", "x"),
        other("b.mean", "Compute the weighted mean value.", "y"),
        other("c.median", "Compute the rough mean value.", "z"),
    ]

    found = answers(derive_relevance(rows, 0.7))

    assert found == {"a.mean": {"a.mean", "b.mean"}, "b.mean": {"b.mean"}, "c.median": {"c.median"}}


def test_a_near_identical_namesake_must_say_what_the_query_asks_for() -> None:
    rows = [
        docstring("a.sum", "Calculate the rolling sum.", "rolling"),
        docstring("b.sum", "Calculate the expanding sum.", "expanding"),
        docstring("c.sum", "Calculate any sum.", "rolling", "window"),
    ]

    found = answers(derive_relevance(rows, 0.7))

    assert found == {"a.sum": {"a.sum", "c.sum"}, "b.sum": {"b.sum"}, "c.sum": {"c.sum"}}


def test_a_body_below_the_threshold_does_not_speak_for_its_summary() -> None:
    rows = [
        docstring("a.sum", "Calculate the rolling sum.", "rolling"),
        docstring("b.sum", "Calculate any sum.", "rolling", *"abcdefgh"),
    ]

    assert answers(derive_relevance(rows, 0.7))["a.sum"] == {"a.sum", "b.sum"}
    assert answers(derive_relevance(rows, 0.9))["a.sum"] == {"a.sum"}


def test_relevance_does_not_chain() -> None:
    rows = [
        other("a.fit", "Fit the plain model.", "x"),
        other("b.fit", "Fit the plain linear model.", "y"),
        other("c.learn", "Fit the plain linear model.", "z"),
    ]

    found = answers(derive_relevance(rows, 0.7))

    assert found == {"a.fit": {"a.fit", "b.fit"}, "b.fit": {"b.fit", "c.learn"}}


def test_fewer_than_three_content_words_are_not_compared() -> None:
    rows = [other("a.fit", "Fit it to this model.", "x"), other("b.fit", "Fit the linear model.", "y")]

    assert answers(derive_relevance(rows, 0.7))["a.fit"] == {"a.fit"}


def test_groups_join_what_is_relevant_in_common_and_what_is_near_identical() -> None:
    rows = [
        docstring("a.f", "Fit one model here.", "left"),
        docstring("b.g", "Plot two figures there.", "right"),
        other("c.h", "Plot two figures there.", "x"),
        other("d.i", "Read three files elsewhere.", "y"),
    ]

    assert derive_relevance(rows, 0.7).group == (0, 0, 0, 3)


def test_content_words_keep_order_and_what_tells_functions_apart() -> None:
    assert content_words("Gives the class of `x` and axis OR classes") == (
        ("give", "class", "x", "and", "axi", "or", "classe")
    )
