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
                saidUntil = tend(saidUntil)
                try? await Task.sleep(for: Self.interval)  // cut short by cancellation: the loop ends then
            }
        }
    }

    private func tend(_ saidUntil: ContinuousClock.Instant) -> ContinuousClock.Instant {
        do {
            for line in try authority.tend() { logger.notice("\(line)") }
            return .now
        } catch {
            guard saidUntil <= .now else { return saidUntil }
            logger.error("the certificate authority stays as it is: \(error)")
            return .now + Self.silence
        }
    }
}
