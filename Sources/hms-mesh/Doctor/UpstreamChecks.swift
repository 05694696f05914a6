import Mesh
import Terminal

/// The services that a sidecar calls.
enum UpstreamChecks {
    /// - Parameter nearest: what may have been meant by names that nobody registered.
    static func findings(_ upstreams: [SidecarStatus.Upstream], nearest: [String: String] = [:]) -> [Finding] {
        upstreams.flatMap { upstream in
            [usable(upstream, nearest[upstream.service])].compactMap { $0 }
                + upstream.instances.compactMap { ejected($0, of: upstream.service) }
        }
    }

    private static func usable(_ upstream: SidecarStatus.Upstream, _ nearest: String?) -> Finding? {
        let name = upstream.service
        if let open = upstream.breakerOpenMilliseconds {
            return Finding(
                .breaker,
                .upstreams,
                .wrong,
                "\(name): circuit breaker open for \(HumanText.duration(milliseconds: Double(open))): one call a second tries it",
                advice: "hms-mesh tail --service \(name) --status 5xx"
            )
        }
        guard upstream.isKnown else {
            return Finding(
                .upstream,
                .upstreams,
                .wrong,
                "\(name): no such service is registered",
                advice: (nearest.map { "did you mean \($0)? " } ?? "") + "all names: hms-reg list"
            )
        }
        guard upstream.total > 0, upstream.usable > 0 else {
            return Finding(
                .upstream,
                .upstreams,
                .wrong,
                "\(name): \(upstream.total == 0 ? "no instances" : "0 of \(upstream.total) routable")",
                advice: "hms-reg lookup \(name) --all"
            )
        }
        return Finding(.upstream, .upstreams, .fine, "\(name): \(upstream.usable) of \(upstream.total) routable")
    }

    private static func ejected(_ instance: SidecarStatus.Instance, of service: String) -> Finding? {
        guard let left = instance.ejectedMilliseconds else { return nil }
        let last = instance.last.isEmpty ? "" : " (the last try: \(instance.last))"
        return Finding(
            .ejected,
            .upstreams,
            .wrong,
            "\(service)/\(instance.id): left out for \(HumanText.duration(milliseconds: Double(left))) more\(last)",
            advice: "hms-mesh tail --service \(service) --status 5xx"
        )
    }
}
