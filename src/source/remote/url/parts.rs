//! The parts of an address: host, port and path.

/// The host, without the brackets of IPv6, and the port.
pub(in crate::source::remote) fn host_and_port(text: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(INVALID_HOST)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| INVALID_HOST)?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(INVALID_HOST)?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if !text.starts_with('[') && !is_host(host) {
        return Err(INVALID_HOST);
    }
    let port = port.filter(|port| !port.is_empty()).map(|port| match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err("its port is not a number from 1 to 65535"),
    });
    Ok((host.to_ascii_lowercase(), port.transpose()?))
}

/// Whether a text can be the name or IPv4 address of a host.
pub(super) fn is_host(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !text.is_empty() && !text.starts_with(['-', '.']) && text.bytes().all(is_allowed)
}

/// The path of an HTTP address, without slashes at its end.
pub(super) fn http_path(path: &str) -> Result<String, &'static str> {
    if path.contains(['?', '#']) {
        return Err("a repository's address cannot have `?` or `#`");
    }
    if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f || !byte.is_ascii()) {
        return Err("its path has a character that must be percent-encoded (%XX)");
    }
    Ok(format!("/{}", path.trim_end_matches('/')))
}

/// Decodes `%XX`. Control characters are refused: no name needs them, and a line break would end a line of the protocol.
pub(in crate::source::remote) fn percent_decoded(text: &str) -> Result<String, &'static str> {
    const INVALID: &str = "it has a `%` that is not followed by two hexadecimal digits of a printable character";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.split_at_checked(2).ok_or(INVALID)?;
        let value = std::str::from_utf8(digits.0).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        bytes.push(value.and_then(|value| u8::from_str_radix(value, 16).ok()).ok_or(INVALID)?);
        rest = digits.1;
    }
    let text = String::from_utf8(bytes).map_err(|_| INVALID)?;
    if text.contains(char::is_control) { Err(INVALID) } else { Ok(text) }
}

/// What a host that is none is told.
pub(super) const INVALID_HOST: &str = "its host is not a name or IP address; write IPv6 in brackets";
