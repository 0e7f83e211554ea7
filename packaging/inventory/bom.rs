//! A bill of materials in the format CycloneDX 1.5.

use serde_json::{Value, json};

use crate::crates::{Crate, Found};

/// The bill of materials.
///
/// # Errors
///
/// It can't be written as JSON.
pub fn cyclonedx(found: &Found) -> Result<String, String> {
    let components: Vec<Value> = found
        .crates
        .iter()
        .map(|one| component(one, "library"))
        .collect();
    let all = std::iter::once(&found.module).chain(&found.crates);
    let dependencies: Vec<Value> = all
        .map(|one| {
            let uses: Vec<String> = one.uses.iter().map(|(n, v)| purl(n, v)).collect();
            json!({ "ref": purl(&one.name, &one.version), "dependsOn": uses })
        })
        .collect();
    // No time and no random serial number: the same sources give the same file.
    let bom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": component(&found.module, "library"),
            // The module is under GPL-2.0-or-later, its binary as a whole is not: see LICENSES/README.md.
            "properties": [{ "name": "auth_web:binary-license", "value": "GPL-3.0-or-later" }],
        },
        "components": components,
        "dependencies": dependencies,
    });
    let text = serde_json::to_string_pretty(&bom).map_err(|e| e.to_string())?;
    Ok(text + "\n")
}

fn component(one: &Crate, kind: &str) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(&one.name, &one.version),
        "name": one.name,
        "version": one.version,
        "licenses": [{ "expression": one.licence }],
        "purl": purl(&one.name, &one.version),
    });
    if let Some(description) = &one.description {
        component["description"] = json!(description.trim());
    }
    if let Some(sum) = &one.checksum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    if let Some(repository) = &one.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

/// The package URL. A version may have build metadata, whose `+` has to be escaped.
fn purl(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}
