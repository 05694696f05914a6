import Glibc
import Identity
import NIOCore
import RegistryClient
import RegistryModel

/// Answers the admin door's questions.
struct SidecarReporter: Sendable {
    let configuration: SidecarConfiguration
    let condition: SidecarCondition
    let loops: SidecarLoops
    let identity: WorkloadIdentity
    let feed: RegistryFeed
    let log: AccessLog
    let spans: SpanExporter?
    let outbound: String
    let inbound: String
    let startedAt = WallClock.now()

    var answers: AdminListener.Answers {
        AdminListener.Answers(
            status: { try await report().json() },
            metrics: { try await report().prometheus() },
            isHealthy: { condition.health == .healthy },
            log: log
        )
    }

    private func report() async throws -> SidecarReport {
        let svid = await identity.svid
        return SidecarReport(
            version: configuration.programVersion,
            pid: getpid(),
            applicationPort: configuration.applicationPort,
            service: configuration.service,
            instance: configuration.instance,
            health: condition.health,
            isDraining: condition.isDraining,
            outbound: outbound,
            inbound: inbound,
            spiffeID: svid?.id.description ?? "-",
            certificateNotAfter: svid?.notAfter,
            renewalFailure: await identity.lastFailure,
            registry: configuration.registry.description,
            registryLostSince: condition.registryLostSince,
            sequence: await feed.sequence,
            startedAt: startedAt,
            now: WallClock.now(),
            lostLogLines: log.lostLines,
            spans: spans?.counts,
            loops: try await loops.map { $0.report(now: .now()) }
        )
    }
}

extension LoopState {
    func report(now: NIODeadline) -> SidecarReport.Loop {
        SidecarReport.Loop(
            metrics: data.metrics,
            recent: Dictionary(data.entries.map { ($0.service, $0.recent.summary(now: now)) }) { $1 },
            upstreams: data.entries.map { ($0.upstream.snapshot(now: now), $0.rules) },
            connections: connectionCount,
            inFlight: inbound.inFlight,
            inboundHandshakes: handshakes,
            outboundHandshakes: data.connector.handshakes,
            pools: data.poolLoad
        )
    }
}
