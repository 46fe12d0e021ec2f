"""A signed repository of Debian packages that hold nothing but their name and dependencies."""

import email.utils
import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

TIMEOUT_SECONDS = 60


class Repository:
    """One with a key of its own. `folder` is a scratch folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = folder / "gnupg"
        self._home.mkdir(mode=0o700)
        try:
            self._gpg("--quick-gen-key", "A test <test@example.invalid>", "ed25519", "sign", "1d")
            self.key = self._gpg("--armor", "--export")
            listed = self._gpg("--with-colons", "--list-keys").decode()
            self.fingerprint = listed.partition("\nfpr:")[2].split(":")[8]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End gpg's background processes."""
        self._run("gpgconf", "--homedir", str(self._home), "--kill", "all")

    def suite(self, name: str, packages: Mapping[str, tuple[str, str]]) -> dict[str, bytes]:
        """Return the files of a suite by their path: `packages` are version and needs by name."""
        files: dict[str, bytes] = {}
        index = ""
        for package, (version, needs) in packages.items():
            control = (
                f"Package: {package}\nVersion: {version}\nArchitecture: amd64\n"
                f"Maintainer: A test <test@example.invalid>\nDepends: {needs}\n"
                "Description: nothing but its name\n"
            )
            content = self._package(package, control)
            path = f"pool/{package}_{version}_amd64.deb"
            files[path] = content
            digest = hashlib.sha256(content).hexdigest()
            index += f"{control}Filename: {path}\nSize: {len(content)}\nSHA256: {digest}\n\n"
        listed = "main/binary-amd64/Packages"
        digest = hashlib.sha256(index.encode()).hexdigest()
        release = (
            f"Suite: {name}\nCodename: {name}\nComponents: main\nArchitectures: amd64\n"
            f"Date: {email.utils.formatdate(usegmt=True)}\n"
            f"SHA256:\n {digest} {len(index.encode())} {listed}\n"
        )
        files[f"dists/{name}/{listed}"] = index.encode()
        files[f"dists/{name}/InRelease"] = self._gpg("--clearsign", text=release)
        return files

    def _package(self, name: str, control: str) -> bytes:
        root = self._folder / name
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN" / "control").write_text(control)
        path = self._folder / f"{name}.deb"
        self._run("dpkg-deb", "--build", "--root-owner-group", str(root), str(path))
        return path.read_bytes()

    def _gpg(self, *words: str, text: str = "") -> bytes:
        quiet = ("--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "")
        return self._run("gpg", "--homedir", str(self._home), *quiet, *words, text=text)

    def _run(self, *argv: str, text: str = "") -> bytes:
        return subprocess.run(
            argv, input=text.encode(), capture_output=True, timeout=TIMEOUT_SECONDS, check=True
        ).stdout
