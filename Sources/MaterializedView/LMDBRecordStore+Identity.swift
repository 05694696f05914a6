public import RegistryModel

extension LMDBRecordStore {
    public func certificate(_ serial: String) throws(ViewError) -> CertificateRecord? {
        try identity(IdentityRow.key(certificate: serial)) { (key, bytes) throws(ViewError) in
            try IdentityRow.certificate(key, bytes)
        }
    }

    public mutating func put(_ certificate: CertificateRecord) throws(ViewError) {
        try putIdentity(IdentityRow.key(certificate: certificate.serial), IdentityRow.encode(certificate))
    }

    public func certificates(ofLineage lineage: [UInt8]) throws(ViewError) -> [CertificateRecord] {
        var found: [CertificateRecord] = []
        try identities(.certificate) { (key, bytes) throws(ViewError) in
            let certificate = try IdentityRow.certificate(key, bytes)
            if certificate.lineage == lineage { found.append(certificate) }
        }
        return found
    }

    public func revocation(_ subject: Revocation.Subject) throws(ViewError) -> Revocation? {
        try identity(IdentityRow.key(subject)) { (key, bytes) throws(ViewError) in
            try IdentityRow.revocation(key, bytes)
        }
    }

    public mutating func put(_ revocation: Revocation) throws(ViewError) {
        try putIdentity(IdentityRow.key(revocation.subject), IdentityRow.encode(revocation))
    }

    public func token(_ hash: [UInt8]) throws(ViewError) -> TokenRecord? {
        try identity(IdentityRow.key(token: hash)) { (key, bytes) throws(ViewError) in
            try IdentityRow.token(key, bytes)
        }
    }

    public mutating func put(_ token: TokenRecord) throws(ViewError) {
        try putIdentity(IdentityRow.key(token: token.hash), IdentityRow.encode(token))
    }

    public func tokenCount() throws(ViewError) -> Int {
        var count = 0
        try identities(.token) { (_, _) throws(ViewError) in count += 1 }
        return count
    }

    public mutating func removeLapsedIdentities(before time: Timestamp) throws(ViewError) {
        var lapsed: [[UInt8]] = []
        try converting {
            try access.scan(databases.identities, from: UnsafeRawBufferPointer(start: nil, count: 0)) { key, value in
                if try IdentityRow.end(key, value) < time { lapsed.append([UInt8](key)) }
                return true
            }
        }
        for key in lapsed { try removeIdentity(key) }
    }

    /// Every row of a kind, in order of keys.
    private func identities(
        _ kind: IdentityRow.Kind,
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(ViewError) -> Void
    ) throws(ViewError) {
        try converting {
            try [kind.rawValue].withUnsafeBytes { start in
                try access.scan(databases.identities, from: start) { key, value in
                    guard key.first == kind.rawValue else { return false }
                    try body(key, value)
                    return true
                }
            }
        }
    }

    private func identity<R>(
        _ key: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(ViewError) -> R
    ) throws(ViewError) -> R? {
        try converting {
            try key.withUnsafeBytes { key in
                try access.withValue(databases.identities, key) { try body(key, $0) }
            }
        }
    }

    private func putIdentity(_ key: [UInt8], _ row: [UInt8]) throws(ViewError) {
        try converting {
            try key.withUnsafeBytes { key in
                try row.withUnsafeBytes { try access.put(databases.identities, key, $0) }
            }
        }
    }

    private func removeIdentity(_ key: [UInt8]) throws(ViewError) {
        try converting { try key.withUnsafeBytes { try access.delete(databases.identities, $0) } }
    }
}

extension IdentityRow {
    /// When the row means nothing any more.
    static func end(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(ViewError) -> Timestamp {
        switch key.first.flatMap({ Kind(rawValue: $0) }) {
        case .certificate: try certificate(key, value).notAfter
        case .revokedSerial, .revokedService: try revocation(key, value).until
        case .token: try token(key, value).expires
        case nil: throw .suspect("a key of identities")
        }
    }
}
