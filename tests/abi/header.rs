//! What include/opensips/abi.h declares, by name. Reads only as much of C as that header uses.

/// Every name: `osips_str`, `osips_str.len`, `OSIPS_L_DBG`, `dprint`.
pub fn declared(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut code = String::new();
    for line in without_comments(text).lines() {
        match line.trim_start().strip_prefix('#') {
            Some(directive) => {
                let words: Vec<&str> = directive.split_whitespace().collect();
                // Without a value it is only the include guard.
                if let ["define", name, _, ..] = words[..] {
                    names.push(name.to_string());
                }
            }
            None => {
                code.push_str(line);
                code.push('\n');
            }
        }
    }
    let tokens = tokens(&code);
    let mut reader = Reader { tokens, next: 0 };
    while reader.peek().is_some() {
        reader.declaration(&mut names)?;
    }
    Ok(names)
}

fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

/// Words, and every other character on its own.
fn tokens(code: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in code.chars() {
        let is_word = c.is_ascii_alphanumeric() || c == '_';
        match out.last_mut() {
            Some(last) if is_word && in_word => last.push(c),
            _ if !c.is_whitespace() => out.push(c.to_string()),
            _ => {}
        }
        in_word = is_word;
    }
    out
}

struct Reader {
    tokens: Vec<String>,
    next: usize,
}

impl Reader {
    fn peek(&self) -> Option<&str> {
        self.at(0)
    }

    fn at(&self, ahead: usize) -> Option<&str> {
        self.tokens.get(self.next + ahead).map(String::as_str)
    }

    fn take(&mut self) -> Result<String, String> {
        let token = self.peek().ok_or("abi.h ends too early")?.to_string();
        self.next += 1;
        Ok(token)
    }

    /// Everything up to and including the next `;` outside brackets.
    fn statement(&mut self) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        let mut depth = 0;
        loop {
            let token = self.take()?;
            match token.as_str() {
                ";" if depth == 0 => return Ok(out),
                "(" | "{" | "[" => depth += 1,
                ")" | "}" | "]" => depth -= 1,
                _ => {}
            }
            out.push(token);
        }
    }

    fn declaration(&mut self, names: &mut Vec<String>) -> Result<(), String> {
        if self.peek() == Some("extern") {
            names.push(declarator(&self.statement()?)?);
            return Ok(());
        }
        if self.peek() == Some("typedef") {
            self.next += 1;
        }
        let has_body = self.at(1) == Some("{") || self.at(2) == Some("{");
        match self.peek() {
            Some("enum") if has_body => {
                self.next += 1;
                let name = self.take()?;
                if name != "{" {
                    names.push(name);
                    self.next += 1;
                }
                self.enumerators(names)?;
            }
            Some("struct" | "union") if has_body => {
                self.next += 1;
                let name = self.take()?;
                self.next += 1;
                let members = self.members()?;
                names.push(name.clone());
                names.extend(members.iter().map(|member| format!("{name}.{member}")));
            }
            _ => {}
        }
        // What remains: the typedef's name, or a declaration that has no layout.
        self.statement().map(drop)
    }

    fn enumerators(&mut self, names: &mut Vec<String>) -> Result<(), String> {
        let mut expected = true;
        loop {
            let token = self.take()?;
            match token.as_str() {
                "}" => return Ok(()),
                "," => expected = true,
                _ if expected => {
                    names.push(token);
                    expected = false;
                }
                _ => {}
            }
        }
    }

    /// The members, up to and including the `}`.
    fn members(&mut self) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        loop {
            if self.peek() == Some("}") {
                self.next += 1;
                return Ok(out);
            }
            let nested = matches!(self.peek(), Some("struct" | "union")) && self.at(1) == Some("{");
            if nested {
                self.next += 2;
                let members = self.members()?;
                let name = declarator(&self.statement()?)?;
                out.push(name.clone());
                out.extend(members.iter().map(|member| format!("{name}.{member}")));
            } else {
                out.push(declarator(&self.statement()?)?);
            }
        }
    }
}

/// The name that a declaration introduces: in `( * name )`, else the last word before a bracket or
/// an attribute.
fn declarator(tokens: &[String]) -> Result<String, String> {
    if let Some(star) = tokens.windows(2).position(|pair| pair == ["(", "*"]) {
        let is_member = !tokens[..star].contains(&"(".to_string());
        if let (true, Some(name)) = (is_member, tokens.get(star + 2)) {
            return Ok(name.clone());
        }
    }
    let end = tokens
        .iter()
        .position(|token| matches!(token.as_str(), "(" | "[" | "__attribute__"))
        .unwrap_or(tokens.len());
    if tokens[..end].contains(&",".to_string()) {
        return Err(format!("one name a line, please: {}", tokens.join(" ")));
    }
    tokens[..end]
        .last()
        .cloned()
        .ok_or_else(|| "a declaration without a name".to_string())
}
