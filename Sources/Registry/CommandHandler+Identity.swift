import RegistryModel

extension CommandHandler {
    /// Of one certificate: it must be on record, and is denied until its own end.
    func revoke<Store: RecordStore>(_ revocation: Revocation, _ store: Store) throws -> Decision {
        var revocation = revocation
        if case .serial(let serial) = revocation.subject {
            guard let certificate = try store.certificate(serial) else {
                throw RegistryError(
                    .unknownCertificate,
                    "no certificate \(serial.prefix(64)) is on record",
                    hint: "hms-reg cert list"
                )
            }
            revocation.until = certificate.notAfter
            guard try store.revocation(revocation.subject) == nil else { return .nothing(.done) }
        }
        return Decision(events: [.certificateRevoked(revocation)], reply: .done)
    }
}
