public import RegistryModel
public import X509

extension PeerAuthorization {
    /// Whether a server is a registry: its leaf, whose chain the handshake verified, bears the reserved DNS name
    /// `registry.<trust domain>`. No workload's certificate has a DNS name, and a common name decides nothing.
    ///
    /// - Parameter trustDomain: whose registry is meant; nil: of whatever domain the pinned root is.
    /// - Returns: the trust domain.
    public static func authorizeRegistry(
        _ leaf: Certificate,
        now: Timestamp,
        trustDomain: TrustDomain? = nil
    ) throws(Refusal) -> TrustDomain {
        try checkDates(leaf, now)
        guard !leaf.isAuthority else {
            throw Refusal(code: .wrongPeer, message: "the certificate is an authority's, not a registry's")
        }
        let names = leaf.dnsNames
        if let trustDomain {
            guard names.contains(trustDomain.registryName) else {
                throw Refusal(code: .wrongPeer, message: "the certificate is not \(trustDomain.registryName)'s")
            }
            return trustDomain
        }
        let prefix = "registry."
        let domains = names.filter { $0.hasPrefix(prefix) }.compactMap {
            try? TrustDomain(String($0.dropFirst(prefix.count)))
        }
        guard let domain = domains.first else {
            throw Refusal(code: .wrongPeer, message: "the certificate is not a registry's")
        }
        return domain
    }
}

extension Certificate {
    fileprivate var dnsNames: [String] {
        guard let names = try? extensions.subjectAlternativeNames else { return [] }
        return names.compactMap { if case .dnsName(let name) = $0 { name } else { nil } }
    }
}
