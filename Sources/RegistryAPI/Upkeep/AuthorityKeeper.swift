import Logging
import ServiceLifecycle

/// Renews the issuer and goes on with a rotation in time, whether or not anybody asks for a certificate.
struct AuthorityKeeper: Service {
    /// How often it looks whether something is due.
    static let interval = Duration.seconds(1)
    /// What fails once fails again: it is said this often.
    static let silence = Duration.seconds(60)

    let authority: RegistryAuthority
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var saidUntil = ContinuousClock.now
            while !Task.isCancelled {
                saidUntil = await tendAndRecord(silentUntil: saidUntil)
                try? await Task.sleep(for: Self.interval)  // cut short by cancellation: the loop ends then
            }
        }
    }

    /// Does what is due, and puts on record what changed.
    private func tendAndRecord(silentUntil: ContinuousClock.Instant) async -> ContinuousClock.Instant {
        let silentUntil = tend(silentUntil: silentUntil)
        guard silentUntil <= .now else { return silentUntil }
        do {
            try await authority.recordChanges()
            return .now
        } catch {
            logger.error("a change of the certificate authority is not on record yet: \(error)")
            return .now + Self.silence
        }
    }

    /// Does what is due. Where that fails, a full disk say, the authority is good as it is, and the next time may do.
    ///
    /// - Returns: until when a failure is not worth saying again.
    @discardableResult
    func tend(silentUntil: ContinuousClock.Instant = .now) -> ContinuousClock.Instant {
        do {
            for line in try authority.tend() { logger.notice("\(line)") }
            return .now
        } catch {
            guard silentUntil <= .now else { return silentUntil }
            logger.error("the certificate authority stays as it is: \(error)")
            return .now + Self.silence
        }
    }
}
