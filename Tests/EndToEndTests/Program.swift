import Foundation
import Synchronization

/// A program of this package, run as a user would run it.
struct Program: Sendable {
    struct Result: Sendable {
        var exitCode: Int32
        var output: String
        var errors: String
    }

    /// Beside the test's own executable; a path is one of the system's programs.
    static func path(of name: String) -> String {
        guard !name.hasPrefix("/") else { return name }
        return URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent(name).path
    }

    /// Runs it to its end.
    static func run(
        _ name: String,
        _ arguments: [String],
        input: String? = nil,
        environment: [String: String] = [:],
        in directory: String? = nil
    ) async throws -> Result {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path(of: name))
        process.arguments = arguments
        process.environment = Self.environment(environment)
        if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        let stdin = Pipe()
        process.standardInput = stdin
        try process.run()
        if let input { try stdin.fileHandleForWriting.write(contentsOf: Data(input.utf8)) }
        try stdin.fileHandleForWriting.close()
        async let written = readToEnd(output)
        async let complaints = readToEnd(errors)
        let result = (try await written, try await complaints)
        process.waitUntilExit()
        return Result(exitCode: process.terminationStatus, output: result.0, errors: result.1)
    }

    /// Nothing of the tester's own registry or terminal.
    static func environment(_ more: [String: String]) -> [String: String] {
        var environment = ProcessInfo.processInfo.environment
        for name in ["HMS_REGISTRY", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "HMS_TOKEN"] { environment[name] = nil }
        environment["HOME"] = "/nonexistent"
        environment["LC_ALL"] = "C.UTF-8"
        environment["NO_COLOR"] = "1"
        environment["TZ"] = "UTC"
        return environment.merging(more) { $1 }
    }

    private static func readToEnd(_ pipe: Pipe) async throws -> String {
        // A thread of its own blocks, not one of the pool that the tests run on.
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Swift.Result {
                        String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
                    }
                )
            }
        }
    }
}

/// A program that goes on: its output goes to files, and it is ended by its pid.
final class RunningProgram: Sendable {
    private let process: Mutex<Process>
    let pid: Int32
    private let outputPath: String
    private let errorPath: String

    init(
        _ name: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        logTo directory: String,
        label: String
    ) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Program.path(of: name))
        process.arguments = arguments
        process.environment = Program.environment(environment)
        outputPath = "\(directory)/\(label).out"
        errorPath = "\(directory)/\(label).err"
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try Self.file(outputPath)
        process.standardError = try Self.file(errorPath)
        try process.run()
        pid = process.processIdentifier
        self.process = Mutex(process)
    }

    deinit {
        if isRunning { kill(pid, SIGKILL) }
    }

    var output: String { (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? "" }
    var errors: String { (try? String(contentsOfFile: errorPath, encoding: .utf8)) ?? "" }

    var isRunning: Bool {
        process.withLock { $0.isRunning }
    }

    /// Sends a signal and waits for the end.
    ///
    /// - Returns: the exit code, or minus the signal that ended it.
    @discardableResult
    func end(by signal: Int32 = SIGTERM) async throws -> Int32 {
        kill(pid, signal)
        return try await exitCode()
    }

    func exitCode() async throws -> Int32 {
        try await eventually("the end of pid \(pid)") { !isRunning }
        return process.withLock { $0.terminationReason == .exit ? $0.terminationStatus : -$0.terminationStatus }
    }

    private static func file(_ path: String) throws -> FileHandle {
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }
}

struct TimedOut: Error, CustomStringConvertible {
    let description: String
}

/// Waits until something is so, looking every 10 ms, for at most `limit`.
func eventually(
    _ what: String,
    within limit: Duration = .seconds(60),
    _ isSo: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    while try await !isSo() {
        guard clock.now < deadline else { throw TimedOut(description: "waited \(limit) for \(what)") }
        try await Task.sleep(for: .milliseconds(10))  // between two looks at the condition
    }
}
