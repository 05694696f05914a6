public import RegistryModel

/// Certificates that are not to be believed any more, although their time is not over. It travels with every watch, so
/// that a revocation reaches everybody within seconds.
public struct DenyList: Sendable, Equatable {
    /// Serial numbers, lower-case hexadecimal.
    public var serials: Set<String>
    /// Every certificate of these services that was issued before the time.
    public var services: [ServiceName: Timestamp]

    public init(serials: Set<String> = [], services: [ServiceName: Timestamp] = [:]) {
        self.serials = serials
        self.services = services
    }

    /// - Parameter issuedAt: when the certificate was made; its `notBefore` lies ``CertificateAuthority/backdating``
    ///   before that.
    public func denies(_ id: SPIFFEID, serial: String, issuedAt: Timestamp) -> Bool {
        if serials.contains(serial) { return true }
        guard case .service(let name) = id.subject, let before = services[name] else { return false }
        return issuedAt < before
    }
}
