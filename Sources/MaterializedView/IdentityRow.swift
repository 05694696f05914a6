import RegistryModel

/// Rows of the `identities` sub-database: certificates and revocations, told apart by the first byte of the key.
///
/// | key | value |
/// | --- | --- |
/// | `c`, serial number | SPIFFE ID, key hash, lineage, not after |
/// | `s`, serial number | before, until |
/// | `v`, service | before, until |
///
/// Values begin with a layout number; little-endian; texts and hashes behind their length.
enum IdentityRow {
    private static let layout: UInt8 = 1

    enum Kind: UInt8 {
        case certificate = 0x63
        case revokedSerial = 0x73
        case revokedService = 0x76
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

    static func encode(_ certificate: CertificateRecord) -> [UInt8] {
        var row = ByteWriter()
        row.append(layout)
        row.append(lengthPrefixed: certificate.spiffeID.utf8)
        row.append(lengthPrefixed: certificate.keyHash)
        row.append(lengthPrefixed: certificate.lineage)
        row.append(certificate.notAfter.rawValue)
        return row.bytes
    }

    static func certificate(
        _ key: UnsafeRawBufferPointer,
        _ bytes: UnsafeRawBufferPointer
    ) throws(ViewError) -> CertificateRecord {
        var reader = try begin(bytes)
        return CertificateRecord(
            serial: String(decoding: key.dropFirst(), as: UTF8.self),
            spiffeID: try reader.nextText(),
            keyHash: [UInt8](try reader.nextLengthPrefixed()),
            lineage: [UInt8](try reader.nextLengthPrefixed()),
            notAfter: Timestamp(rawValue: try reader.next())
        )
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
