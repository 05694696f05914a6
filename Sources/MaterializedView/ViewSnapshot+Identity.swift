public import RegistryModel

extension ViewSnapshot {
    /// Certificates on record, in order of their serial numbers.
    public func certificates() throws -> [CertificateRecord] {
        var found: [CertificateRecord] = []
        try forEachCertificate { found.append($0) }
        return found
    }

    /// The same, one after the other.
    func forEachCertificate(_ body: (CertificateRecord) throws -> Void) throws {
        try forEachIdentity(.certificate) { try body(try IdentityRow.certificate($0, $1)) }
    }

    /// By the hash of its secret.
    public func token(_ hash: [UInt8]) throws -> TokenRecord? {
        try identity(IdentityRow.key(token: hash)) { try IdentityRow.token($0, $1) }
    }

    /// Join tokens on record, in order of their hashes.
    public func tokens() throws -> [TokenRecord] {
        try identities(.token) { try IdentityRow.token($0, $1) }
    }

    /// Everything that is not to be believed any more.
    public func revocations() throws -> [Revocation] {
        try identities(.revokedSerial) { try IdentityRow.revocation($0, $1) }
            + identities(.revokedService) { try IdentityRow.revocation($0, $1) }
    }

    /// By serial number; nil for one that is not, or no longer, on record.
    public func certificate(_ serial: String) throws -> CertificateRecord? {
        try identity(IdentityRow.key(certificate: serial)) { try IdentityRow.certificate($0, $1) }
    }

    public func revocation(_ subject: Revocation.Subject) throws -> Revocation? {
        try identity(IdentityRow.key(subject)) { try IdentityRow.revocation($0, $1) }
    }

    private func identity<Record>(
        _ key: [UInt8],
        _ read: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Record
    ) throws -> Record? {
        try key.withUnsafeBytes { key in
            try reader.access.withValue(databases.identities, key) { try read(key, $0) }
        }
    }

    private func identities<Record>(
        _ kind: IdentityRow.Kind,
        _ read: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Record
    ) throws -> [Record] {
        var found: [Record] = []
        try forEachIdentity(kind) { found.append(try read($0, $1)) }
        return found
    }

    private func forEachIdentity(
        _ kind: IdentityRow.Kind,
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try withUnsafeBytes(of: kind.rawValue) { start in
            try reader.access.scan(databases.identities, from: start) { key, value in
                guard key.first == kind.rawValue else { return false }
                try body(key, value)
                return true
            }
        }
    }
}
