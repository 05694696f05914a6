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

    /// Until all loops have dropped the same names, of which each needs a turn.
    private static let mostReadings = 5

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
            loops: try await loopReports()
        )
    }

    /// Names are dropped on all loops, one after the other: a page with a part of what was counted would make a counter
    /// go back without having begun anew.
    private func loopReports() async throws -> [SidecarReport.Loop] {
        var reports = try await loops.map { $0.report(now: .now()) }
        for _ in 1..<Self.mostReadings where Set(reports.map(\.metrics.dropped)).count > 1 {
            reports = try await loops.map { $0.report(now: .now()) }
        }
        return reports
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
