import RegistryModel

/// A change that waits to be on record, in the authority's own file.
extension AuthorityChange {
    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("change", kind.rawValue)
        json.member("root", hexadecimal(rootKeyHash))
        json.member("issuer", hexadecimal(issuerKeyHash))
        if !otherRootKeyHash.isEmpty { json.member("other", hexadecimal(otherRootKeyHash)) }
        json.member("at", at)
        json.endObject()
    }

    init(from json: inout JSONReader) throws(RegistryModelError) {
        var kind: Kind?
        var hashes: [String: [UInt8]] = [:]
        var at = Timestamp(rawValue: 0)
        try json.object { (json, name) throws(RegistryModelError) in
            switch name {
            case "change": kind = Kind(rawValue: try json.string())
            case "root", "issuer", "other": hashes[name] = bytes(hexadecimal: try json.string())
            case "at": at = try json.timestamp()
            default: try json.skip()
            }
        }
        guard let kind, let root = hashes["root"], let issuer = hashes["issuer"] else {
            throw RegistryModelError(.missingField, "a change that is not on record yet is not whole")
        }
        self.init(kind, rootKeyHash: root, issuerKeyHash: issuer, otherRootKeyHash: hashes["other"] ?? [], at: at)
    }
}
