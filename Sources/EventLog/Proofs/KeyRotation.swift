public import OpenSSLCrypto
public import RegistryModel

extension KeyRotationRecord {
    /// Signed by both keys.
    public init(origin: String, from old: SigningKey, to new: SigningKey) throws(EventLogError) {
        self.init(origin: origin, oldKey: old.publicKey.bytes, newKey: new.publicKey.bytes)
        let body = body
        oldSignature = try crypto { () throws(OpenSSLError) in try old.signature(of: body) }
        newSignature = try crypto { () throws(OpenSSLError) in try new.signature(of: body) }
    }

    /// What both sign.
    public var body: [UInt8] {
        Array("hms checkpoint key rotation\n\(origin)\n\(Base64.encode(oldKey))\n\(Base64.encode(newKey))\n".utf8)
    }

    /// Whether the old key says so, and whoever has the new one holds it.
    public var isSigned: Bool {
        guard let old = VerifyingKey(oldKey), let new = VerifyingKey(newKey) else { return false }
        return old.isValid(oldSignature, for: body) && new.isValid(newSignature, for: body)
    }

    /// The keys as notes name them; nil where they can't be.
    public var noteKeys: (old: NoteKey, new: NoteKey)? {
        guard let old = VerifyingKey(oldKey).flatMap({ try? NoteKey(name: origin, key: $0) }),
            let new = VerifyingKey(newKey).flatMap({ try? NoteKey(name: origin, key: $0) })
        else { return nil }
        return (old, new)
    }
}
