import Glibc
import Identity
import TestSupport
import Testing

@Suite("Private files")
struct PrivateFileTests {
    @Test("directories are made with all above them, closed to others; files are replaced as one step")
    func directories() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/a/b/c"
            try PrivateFile.makeDirectory(path)
            try PrivateFile.makeDirectory(path)
            var status = stat()
            #expect(stat(directory + "/a", &status) == 0)
            #expect(status.st_mode & 0o777 == 0o700)
            try PrivateFile.write("one", to: path + "/f")
            try PrivateFile.write("two", to: path + "/f")
            #expect(try readFile(path + "/f") == Array("two".utf8))
            #expect(try directoryEntries(path) == ["f"])
            #expect(stat(path + "/f", &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(throws: IdentityError.self) { try PrivateFile.makeDirectory(path + "/f") }
            #expect(throws: IdentityError.self) { try PrivateFile.makeDirectory("/proc/none") }
            #expect(throws: IdentityError.self) { try PrivateFile.write("", to: "/proc/none/f") }
        }
    }

    @Test("what a killed writer left is removed, and nothing else; a place in the text is taken as it is")
    func leftovers() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/[a]*.json"
            for name in ["[a]*.json", "[a]*.json.12.new", "[a]*.json.7.new", "[a]*.json.old", "ab.json.3.new"] {
                try writeFile(directory + "/" + name, [1])
            }
            PrivateFile.removeLeftovers(of: path)
            #expect(try Set(directoryEntries(directory)) == ["[a]*.json", "[a]*.json.old", "ab.json.3.new"])
        }
    }

    @Test("a file is read whole within its bound; one that is missing is nil, one that is no text an error")
    func reading() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/f"
            #expect(try PrivateFile.read(path) == nil)
            #expect(try PrivateFile.read(path + "/below") == nil)
            let text = String(repeating: "ä", count: 100_000)
            try PrivateFile.write(text, to: path)
            #expect(try PrivateFile.read(path) == text)
            #expect(throws: IdentityError.self) { try PrivateFile.read(path, limit: 199_999) }
            try writeFile(path, [0xff, 0xfe])
            #expect(throws: IdentityError.self) { try PrivateFile.read(path) }
            #expect(throws: IdentityError.self) { try PrivateFile.read(directory) }
        }
    }
}
