//! Letters as Linux's terminals know them: those of Latin-1 (`lib/ctype.c`).

const fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || matches!(byte, 0xc0..=0xd6 | 0xd8..=0xde)
}

const fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || matches!(byte, 0xdf..=0xf6 | 0xf8..=0xff)
}

/// Whether a byte is part of a word, which WERASE erases as a whole.
pub(super) const fn is_word(byte: u8) -> bool {
    is_upper(byte) || is_lower(byte) || byte.is_ascii_digit() || byte == b'_'
}

/// What `OLCUC` makes of a byte.
pub(super) const fn to_upper(byte: u8) -> u8 {
    if is_lower(byte) { byte - 0x20 } else { byte }
}

/// What `IUCLC` makes of a byte.
pub(super) const fn to_lower(byte: u8) -> u8 {
    if is_upper(byte) { byte + 0x20 } else { byte }
}
