//! The parameter `cluster_id`.

use super::raw::{ConfigError, Raw};

/// Longest name of a cluster in bytes.
const MOST_NAME: usize = 64;

/// What the keys of a cluster in Redis begin with.
///
/// # Errors
/// Fails if it can't be that.
pub fn id(raw: &Raw) -> Result<String, ConfigError> {
    const NAME: &str = "cluster_id";
    let cluster = raw.text_or(NAME, "default")?;
    // Braces would choose another slot of a Redis Cluster.
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:@".contains(&byte);
    match cluster.len() <= MOST_NAME && cluster.bytes().all(is_name) {
        true => Ok(cluster.to_owned()),
        false => Err(raw.error(
            NAME,
            format!("letters, digits and .-_:@, at most {MOST_NAME}"),
        )),
    }
}
