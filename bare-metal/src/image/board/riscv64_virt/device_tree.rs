//! Single properties out of the flattened device tree that QEMU leaves in memory.
//!
//! Devicetree specification 0.4, chapter 5. QEMU's tree is trusted: a broken one panics.

/// The first word of every tree.
const MAGIC: u32 = 0xd00d_feed;

/// Tokens of the structure block (5.4.1).
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;

/// The whole tree's length, from its first eight bytes.
pub(super) fn total_size(header: [u8; 8]) -> usize {
    assert_eq!(word(&header, 0), MAGIC, "no device tree");
    word(&header, 4) as usize
}

/// The value of property `name` in the first node called `node`, wherever that is in the tree.
pub(super) fn property<'a>(tree: &'a [u8], node: &str, name: &str) -> Option<&'a [u8]> {
    let names = &tree[word(tree, 12) as usize..];
    let mut at = word(tree, 8) as usize;
    // Properties come before child nodes (5.4.2): only those that follow the node's own name are its own.
    let mut inside = false;
    loop {
        let token = word(tree, at);
        at += 4;
        match token {
            BEGIN_NODE => {
                let found = string(&tree[at..]);
                inside = found == node.as_bytes();
                at = (at + found.len() + 1).next_multiple_of(4);
            }
            END_NODE => inside = false,
            PROP => {
                let len = word(tree, at) as usize;
                let found = string(&names[word(tree, at + 4) as usize..]);
                let value = &tree[at + 8..at + 8 + len];
                if inside && found == name.as_bytes() {
                    return Some(value);
                }
                at = (at + 8 + len).next_multiple_of(4);
            }
            NOP => {}
            _end => return None,
        }
    }
}

/// A property's value as text, without the NUL that ends it.
pub(super) fn text(value: &[u8]) -> &str {
    core::str::from_utf8(string(value)).expect("the property is text")
}

/// The bytes before the first NUL.
fn string(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A big-endian word.
fn word(tree: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([tree[at], tree[at + 1], tree[at + 2], tree[at + 3]])
}
