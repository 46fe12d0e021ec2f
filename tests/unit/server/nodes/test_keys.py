from server.nodes.keys import hash_secret, new_key, parse_key, secret_matches


def test_a_new_key_is_read_back_from_its_text():
    key = new_key()

    assert parse_key(str(key)) == key


def test_two_keys_share_neither_prefix_nor_secret():
    one, other = new_key(), new_key()

    assert one.prefix != other.prefix
    assert one.secret != other.secret


def test_text_of_another_form_is_no_key():
    for text in (
        "",
        "mlrd",
        "mlrd_short_x",
        "mlrd__",
        "other_0123456789ab_x",
        "mlrd_0123456789ab_",
    ):
        assert parse_key(text) is None


def test_only_the_secret_itself_matches_its_hash():
    stored = hash_secret("s3cret")

    assert secret_matches("s3cret", stored)
    assert not secret_matches("s3cret ", stored)
