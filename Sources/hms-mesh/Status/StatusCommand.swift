import ArgumentParser
import Glibc
import Mesh
import RegistryModel
import Terminal

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show this user's sidecars on this machine, and how their calls of the last ten seconds went.",
        discussion: """
            USABLE counts the instances that calls may go to; RETRIED the calls that took more than one try (at 20% the retry \
            budget is spent); BREAKER the instances that the sidecar leaves out for a while, or the whole service while nobody \
            answers.

              hms-mesh status --watch
              hms-mesh status --policy identity-check     by which rules it is called, and who said them
            """
    )

    @Flag(help: "Draw it anew every second, until Ctrl-C.")
    var watch = false

    @Option(help: ArgumentHelp("By which rules this service is called, each with its source.", valueName: "service"))
    var policy: String?

    @OptionGroup var printing: OutputOptions

    private static let interval = Duration.seconds(1)

    mutating func validate() throws {
        guard let policy else { return }
        do { _ = try ServiceName(policy) } catch { throw ValidationError(error.message) }
    }

    func run() async throws {
        let output = printing.output
        guard watch else { return output.write(try await text(output)) }
        let signals = StopSignals()
        // What is drawn is whole: it ends between two pictures.
        Task { Glibc.exit(128 + (await signals.received())) }
        while !Task.isCancelled, !Output.isReaderGone {
            await draw(output)
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Sidecars may be gone for a moment: that is a picture too.
    private func draw(_ output: Output) async {
        var text: String
        do {
            text = try await self.text(output)
        } catch let error as CommandError {
            text = printing.json ? "[]\n" : error.rendered(output.style, output.symbols)
        } catch {
            text = "\(error)\n"
        }
        if Output.isOutputTerminal, !printing.json {
            // Home, the picture, and nothing of the one before below it or behind its lines.
            text = "\u{1B}[H" + text.replacing("\n", with: "\u{1B}[K\n") + "\u{1B}[J"
        } else if !printing.json {
            text += "\n"
        }
        output.write(text)
    }

    private func text(_ output: Output) async throws -> String {
        let statuses = await Self.statuses()
        guard !statuses.isEmpty else {
            throw CommandError(
                "No sidecar of yours runs on this machine",
                hint: "in a service's folder: hms-mesh dev",
                exitCode: .notSo
            )
        }
        let screen = StatusScreen(output.style, output.symbols)
        if let policy {
            let called = statuses.compactMap { status in
                status.upstreams.first { $0.service == policy }.map { (status, $0) }
            }
            guard !called.isEmpty else {
                throw CommandError(
                    "No sidecar here has called \(policy) yet: its rules come with the first call",
                    hint: "hms-mesh curl \(policy) /",
                    exitCode: .notSo
                )
            }
            return printing.json
                ? StatusScreen.json(called) : called.map { screen.policy($0, $1) }.joined(separator: "\n")
        }
        if printing.json {
            return "[" + statuses.map { String(decoding: $0.document, as: UTF8.self) }.joined(separator: ",") + "]\n"
        }
        return statuses.map { screen.picture(of: $0) }.joined(separator: "\n")
    }

    /// All at once: one that hangs holds up nobody.
    private static func statuses() async -> [SidecarStatus] {
        await withTaskGroup(of: SidecarStatus?.self) { group in
            for socket in SidecarSockets.all() { group.addTask { await SidecarStatus.promptly(of: socket) } }
            var statuses: [SidecarStatus] = []
            for await status in group { if let status { statuses.append(status) } }
            return statuses.sorted { ($0.service, $0.id) < ($1.service, $1.id) }
        }
    }
}
