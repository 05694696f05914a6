import RegistryModel

/// Rows of the `identities` sub-database: certificates, revocations and join tokens, told apart by the first byte of the key.
///
/// | key | value |
/// | --- | --- |
/// | `c`, serial number | SPIFFE ID, key hash, lineage, not after, role, grounds, previous, spent |
/// | `t`, hash of the secret | role, service, uses, used, expires, from, revoked |
/// | `s`, serial number | before, until |
/// | `v`, service | before, until |
///
/// Values begin with a layout number; little-endian; texts and hashes behind their length.
enum IdentityRow {
    private static let layout: UInt8 = 2

    enum Kind: UInt8 {
        case certificate = 0x63
        case revokedSerial = 0x73
        case revokedService = 0x76
        case token = 0x74
    }

    static func key(certificate serial: String) -> [UInt8] {
        [Kind.certificate.rawValue] + serial.utf8
    }

    static func key(_ subject: Revocation.Subject) -> [UInt8] {
        switch subject {
        case .serial(let serial): [Kind.revokedSerial.rawValue] + serial.utf8
        case .service(let service): [Kind.revokedService.rawValue] + service.description.utf8
        }
    }

    static func key(token hash: [UInt8]) -> [UInt8] {
        [Kind.token.rawValue] + hash
    }

    static func encode(_ certificate: CertificateRecord) -> [UInt8] {
        var row = ByteWriter()
        row.append(layout)
        row.append(lengthPrefixed: certificate.spiffeID.utf8)
        row.append(lengthPrefixed: certificate.keyHash)
        row.append(lengthPrefixed: certificate.lineage)
        row.append(certificate.notAfter.rawValue)
        row.append(certificate.role?.rawValue ?? 0)
        row.append(certificate.grounds.rawValue)
        row.append(lengthPrefixed: certificate.previous.utf8)
        row.append(certificate.isSpent ? 1 : 0 as UInt8)
        return row.bytes
    }

    static func certificate(
        _ key: UnsafeRawBufferPointer,
        _ bytes: UnsafeRawBufferPointer
    ) throws(ViewError) -> CertificateRecord {
        var reader = try begin(bytes)
        var record = CertificateRecord(
            serial: String(decoding: key.dropFirst(), as: UTF8.self),
            spiffeID: try reader.nextText(),
            keyHash: [UInt8](try reader.nextLengthPrefixed()),
            lineage: [UInt8](try reader.nextLengthPrefixed()),
            notAfter: Timestamp(rawValue: try reader.next())
        )
        record.role = PersonRole(rawValue: try reader.next())
        record.grounds = CertificateRecord.Grounds(rawValue: try reader.next()) ?? .operatorsAct
        record.previous = try reader.nextText()
        record.isSpent = try reader.next(as: UInt8.self) != 0
        return record
    }

    static func encode(_ token: TokenRecord) -> [UInt8] {
        var row = ByteWriter()
        row.append(layout)
        switch token.subject {
        case .person(let role):
            row.append(role.rawValue)
            row.append(lengthPrefixed: "".utf8)
        case .service(let service):
            row.append(0 as UInt8)
            row.append(lengthPrefixed: service.description.utf8)
        }
        row.append(token.uses)
        row.append(token.used)
        row.append(token.expires.rawValue)
        row.append(lengthPrefixed: token.from.utf8)
        row.append(token.isRevoked ? 1 : 0 as UInt8)
        return row.bytes
    }

    static func token(
        _ key: UnsafeRawBufferPointer,
        _ bytes: UnsafeRawBufferPointer
    ) throws(ViewError) -> TokenRecord {
        var reader = try begin(bytes)
        let role = PersonRole(rawValue: try reader.next())
        let name = try reader.nextText()
        let subject: TokenRecord.Subject
        if let role { subject = .person(role) } else { subject = .service(try service(name)) }
        var token = TokenRecord(
            hash: [UInt8](key.dropFirst()),
            subject: subject,
            uses: try reader.next(),
            expires: Timestamp(rawValue: 0)
        )
        token.used = try reader.next()
        token.expires = Timestamp(rawValue: try reader.next())
        token.from = try reader.nextText()
        token.isRevoked = try reader.next(as: UInt8.self) != 0
        return token
    }

    static func encode(_ revocation: Revocation) -> [UInt8] {
        var row = ByteWriter()
        row.append(layout)
        row.append(revocation.before.rawValue)
        row.append(revocation.until.rawValue)
        return row.bytes
    }

    static func revocation(
        _ key: UnsafeRawBufferPointer,
        _ bytes: UnsafeRawBufferPointer
    ) throws(ViewError) -> Revocation {
        var reader = try begin(bytes)
        let name = String(decoding: key.dropFirst(), as: UTF8.self)
        let subject: Revocation.Subject =
            key.first == Kind.revokedSerial.rawValue ? .serial(name) : .service(try service(name))
        return Revocation(
            subject: subject,
            before: Timestamp(rawValue: try reader.next()),
            until: Timestamp(rawValue: try reader.next())
        )
    }

    private static func begin(_ bytes: UnsafeRawBufferPointer) throws(ViewError) -> ByteReader {
        var reader = ByteReader(bytes)
        guard try reader.next(as: UInt8.self) == layout else { throw .suspect("a row of identities") }
        return reader
    }

    private static func service(_ text: String) throws(ViewError) -> ServiceName {
        do {
            return try ServiceName(text)
        } catch {
            throw .suspect("a row of identities")
        }
    }
}
