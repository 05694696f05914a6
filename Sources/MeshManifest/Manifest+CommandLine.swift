import ArgumentParser
public import Terminal

extension Manifest {
    /// The manifest that a command works with: the named file, else the one that holds in this directory.
    ///
    /// - Returns: nil where none is named and there is none.
    /// - Throws: exit code 2, once everything that is wrong with it is told on stderr.
    public static func forCommand(named file: String? = nil, output: Output = Output()) throws -> Manifest? {
        do throws(ManifestError) {
            if let file { return try Manifest(contentsOf: file) }
            guard let found = try Manifest.find() else { return nil }
            return try Manifest(contentsOf: found)
        } catch {
            output.note(String(error.rendered(output.errorStyle, output.symbols).dropLast()))
            throw ExitCode.usage
        }
    }
}
