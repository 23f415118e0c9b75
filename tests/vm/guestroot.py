# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's root: a Debian 13 tree with compiler, kernel headers and emulator, kept in a cache.

Everything comes from the mirror that this machine's own apt uses. Nothing is pinned: each use asks
apt for the newest kernel of stable and backports that was built with CONFIG_PCI_P2PDMA.
"""

import contextlib
import fcntl
import glob
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import sys

SUITE = 'trixie'
PACKAGES = (
    'systemd', 'systemd-sysv', 'udev', 'dbus', 'kmod', 'pciutils', 'ca-certificates',
    'gcc', 'libc6-dev', 'make', 'meson', 'ninja-build', 'pkg-config', 'python3',
    'libsystemd-dev', 'libudev-dev', 'libjson-c-dev', 'libevent-dev', 'libpci-dev',
)
TOOLS = ('busybox-static', 'squashfs-tools', 'qemu-system-x86')
# What a guest has no use for; the emulator, too, runs outside.
LEFT_OUT = (
    './boot', './dev', './proc', './sys', './run', './mnt', './var/cache', './var/lib/apt', './var/lib/dpkg',
    './usr/src', './usr/include', './usr/lib/modules', './usr/lib/gcc', './usr/libexec/gcc', './usr/share/doc',
    './usr/share/man', './usr/share/locale', './usr/share/qemu', './usr/share/seabios', './usr/share/perl',
    './usr/lib/x86_64-linux-gnu/qemu', './usr/lib/x86_64-linux-gnu/*.a', './usr/lib/x86_64-linux-gnu/perl*',
    './usr/bin/qemu*', './usr/bin/x86_64-linux-gnu-*', './usr/lib/llvm*',
    './usr/lib/x86_64-linux-gnu/libLLVM*', './usr/lib/python3/dist-packages/mesonbuild', './usr/share/fonts',
    './usr/share/alsa', './usr/share/icons', './usr/share/X11',
    # Nothing here needs these units and rules, and each costs time in an emulator.
    './usr/lib/systemd/system/sysinit.target.wants', './usr/lib/systemd/system/local-fs.target.wants',
    './usr/lib/udev/hwdb.bin', './usr/lib/systemd/system-generators/*', './usr/lib/systemd/system-environment-generators/*',
    *(f'./usr/lib/udev/rules.d/{name}' for name in (
        '50-firmware*', '60-autosuspend*', '60-cdrom*', '60-dmi*', '60-drm*', '60-evdev*', '60-fido*',
        '60-infiniband*', '60-input*', '60-persistent-[aimv]*', '60-persistent-storage-*', '60-sensor*', '60-serial*',
        '64-*', '70-*', '71-*', '73-seat*', '75-probe*', '78-*', '81-*', '90-*')),
)
GUEST_MODULES = ('9pnet_virtio', '9p', 'overlay', 'squashfs', 'virtio_blk', 'nvme', 'igb', 'e1000e')
# In the order in which the initramfs loads them; each pattern may match nothing if it is built in.
BOOT_MODULES = ('netfs', '9pnet', '9pnet_virtio', '9p', 'overlay', 'virtio_blk', 'squashfs')

IN_CHROOT = r'''
set -e
root=$1; binds=$2; shift 2
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
for bind in $binds; do
        mkdir -p "$root/${bind#*:}"
        mount --rbind "${bind%%:*}" "$root/${bind#*:}"
done
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"
'''

# Arguments: the kernel's release, what to leave out, "--", the modules' files.
IN_IMAGE = r'''
release=$1; shift
excludes=(); while [ "$1" != -- ]; do excludes+=("--exclude=$1"); shift; done; shift
tree=$(mktemp -d)
tar -C / -c --one-file-system --exclude=".${tree}" "${excludes[@]}" . | tar -C "$tree" -x
mkdir -p "$tree"/{proc,sys,dev,run,mnt,t,var/cache} "$tree/usr/lib/modules/$release"
cd /usr/lib/modules
cp --parents "$release"/{config,modules.{builtin,builtin.modinfo,order}} "${@#/usr/lib/modules/}" "$tree/usr/lib/modules/"
depmod -b "$tree" "$release"
mksquashfs "$tree" /var/tmp/guest.squashfs -comp lz4 -noappend -quiet -no-progress
rm -rf "$tree"
'''


class CannotBuild(Exception):
    """The root could not be made; the text says why."""


def say(text):
    print(f'vm: {text}', file=sys.stderr, flush=True)


def run(command, **options):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                            check=False, stdin=subprocess.DEVNULL, **options)
    if result.returncode != 0:
        words = ' '.join(word for word in command if '\n' not in word)
        raise CannotBuild(f'{words[:200]}: exit status {result.returncode}\n{result.stdout[-6000:]}')
    return result.stdout


def mirror():
    """The first Debian archive in this machine's apt sources."""
    for path in sorted(glob.glob('/etc/apt/sources.list.d/*.sources')):
        with open(path, encoding='utf-8') as file:
            for stanza in re.split(r'\n\s*\n', file.read()):
                fields = dict(re.findall(r'^(\w[\w-]*):\s*(.*)$', stanza, re.M))
                if re.search(r'debian-archive|^main', fields.get('Signed-By', '') + fields.get('Components', '')):
                    found = re.search(r'\S*/debian/?(?=\s|$)', fields.get('URIs', ''))
                    if found:
                        return found[0]
    for path in ['/etc/apt/sources.list', *sorted(glob.glob('/etc/apt/sources.list.d/*.list'))]:
        with contextlib.suppress(OSError), open(path, encoding='utf-8') as file:
            found = re.search(r'^deb\s+(?:\[[^]]*\]\s+)?(\S*/debian/?)\s', file.read(), re.M)
            if found:
                return found[1]
    raise CannotBuild('no Debian archive in the apt configuration of this machine')


class GuestRoot:
    def __init__(self, cache):
        self.cache = cache
        self.mirror = mirror()
        key = hashlib.sha256(repr((SUITE, PACKAGES, TOOLS, self.mirror)).encode()).hexdigest()[:12]
        self.root = f'{cache}/{SUITE}-{key}'
        self.kernel = None

    @contextlib.contextmanager
    def locked(self):
        os.makedirs(self.cache, mode=0o755, exist_ok=True)
        with open(f'{self.cache}/lock', 'w', encoding='ascii') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def steps(self):
        """(name, what to do), in order, with the lock held."""
        return (('root', self.bootstrap), ('kernel', self.select_kernel), ('image', self.make_image))

    def prepare(self):
        with self.locked():
            for _, step in self.steps():
                step()

    def chroot(self, *command, binds=()):
        return run(['unshare', '-m', 'bash', '-c', IN_CHROOT, 'chroot', self.root,
                    ' '.join(f'{a}:{b}' for a, b in binds), *command])

    def bootstrap(self):
        if os.path.exists(f'{self.root}/.complete'):
            return
        say(f'making a {SUITE} root in {self.root} from {self.mirror}')
        shutil.rmtree(self.root, ignore_errors=True)
        # Nobody needs this tree after a power cut: an unfinished one is made anew.
        os.makedirs(f'{self.root}/etc/dpkg/dpkg.cfg.d')
        with open(f'{self.root}/etc/dpkg/dpkg.cfg.d/unsafe-io', 'w', encoding='ascii') as file:
            file.write('force-unsafe-io\n')
        # In a mount namespace of its own: whatever debootstrap leaves mounted is gone with it.
        run(['unshare', '-m', '--propagation', 'private', 'debootstrap', '--variant=minbase',
             '--include=' + ','.join(PACKAGES), SUITE, self.root, self.mirror])
        with open(f'{self.root}/etc/apt/sources.list', 'w', encoding='ascii') as file:
            file.writelines(f'deb {self.mirror} {suite} main\n' for suite in (SUITE, SUITE + '-backports'))
        self._configure_apt()
        self.apt('update')
        self.apt('install', *TOOLS)
        with open(f'{self.root}/.complete', 'w', encoding='ascii'):
            pass

    def _configure_apt(self):
        """The machine's way to the network is the root's way."""
        for name in ('resolv.conf', 'hosts'):
            if os.path.exists(f'/etc/{name}'):
                shutil.copy(f'/etc/{name}', f'{self.root}/etc/{name}')
        settings = subprocess.run(['apt-config', 'dump'], stdout=subprocess.PIPE, text=True, check=False).stdout
        wanted = [line for line in settings.splitlines() if re.match(r'Acquire::(http|https|ftp)::.*"[^"]', line)]
        wanted += [f'Acquire::{scheme}::Proxy "{value}";' for scheme in ('http', 'https')
                   if (value := os.environ.get(f'{scheme}_proxy'))]
        with open(f'{self.root}/etc/apt/apt.conf.d/80machine', 'w', encoding='utf-8') as file:
            file.write('\n'.join([*wanted, 'Acquire::Retries "3";', '']))

    def apt(self, verb, *names):
        return self.chroot('apt-get', '-qq', '-y', '--no-install-recommends', verb, *names)

    def _kernels(self):
        """Releases of the archive's amd64 kernels, newest first."""
        names = self.chroot('apt-cache', 'pkgnames', 'linux-headers-').split()
        found = [m[1] for name in names if (m := re.fullmatch(r'linux-headers-(\d[\w.+~-]*-amd64)', name))]
        plain = [k for k in found if not re.search(r'-(rt|cloud)-', k)]
        return sorted(plain, key=lambda k: [int(n) for n in re.findall(r'\d+', k)], reverse=True)

    def select_kernel(self):
        """Sets self.kernel to the newest kernel with P2PDMA; installs its headers and modules."""
        try:
            self.apt('update')
        except CannotBuild as error:
            if not glob.glob(f'{self.root}/usr/lib/modules/*/.complete'):
                raise
            say(f'no update of the package lists, the cached kernel is used: {error}')
        for release in self._kernels():
            stamp = f'{self.root}/usr/lib/modules/{release}/.complete'
            if not os.path.exists(stamp) and not self._install_kernel(release):
                continue
            self.kernel = release
            return
        raise CannotBuild('the archive has no kernel with CONFIG_PCI_P2PDMA')

    def _install_kernel(self, release):
        say(f'installing kernel {release}')
        self.apt('install', f'linux-headers-{release}')
        with open(f'{self.root}/usr/src/linux-headers-{release}/include/config/auto.conf', encoding='ascii') as file:
            if 'CONFIG_PCI_P2PDMA=y\n' not in file.read():
                return False
        # Unpacked, not installed: no hooks, no boot loader. Newer kernels come in two packages, older ones in one.
        self.chroot('sh', '-ec', '''
cd "$(mktemp -d)"
apt-get -qq download "linux-binary-$1" "linux-modules-$1" 2>/dev/null || apt-get -qq download "linux-image-$1"
for deb in *.deb; do dpkg-deb -x "$deb" /; done
for file in vmlinuz config; do
        [ -e "/usr/lib/modules/$1/$file" ] || cp "/boot/$file-$1" "/usr/lib/modules/$1/$file"
done
depmod "$1"
: > "/usr/lib/modules/$1/.complete"
rm -rf "$PWD"
''', 'sh', release)
        return True

    @property
    def modules(self):
        return f'{self.root}/usr/lib/modules/{self.kernel}'

    @property
    def vmlinuz(self):
        return f'{self.modules}/vmlinuz'

    @property
    def image(self):
        key = hashlib.sha256(repr((IN_IMAGE, LEFT_OUT, GUEST_MODULES, self.kernel)).encode()).hexdigest()[:8]
        return f'{self.root}.{key}.squashfs'

    def _module_files(self, names):
        shown = self.chroot('sh', '-c', 'for m in "$@"; do modprobe -S "$0" --show-depends "$m" || :; done',
                            self.kernel, *names)
        return list(dict.fromkeys('/usr' + m for m in re.findall(r'^insmod (?:/usr)?(/lib/\S+)', shown, re.M)))

    def make_image(self):
        """The read-only root file system that guests boot from, without the toolchain."""
        if os.path.exists(self.image):
            return
        say('packing the guest image')
        for old in glob.glob(f'{self.root}.*.squashfs'):
            os.unlink(old)
        wanted = self._module_files(GUEST_MODULES)
        self.chroot('bash', '-ec', IN_IMAGE, 'bash', self.kernel, *LEFT_OUT, '--', *wanted)
        shutil.move(f'{self.root}/var/tmp/guest.squashfs', self.image + '.new')
        os.rename(self.image + '.new', self.image)

    def make_initramfs(self, out, source):
        """A first program, a static busybox and the modules that reach the image and the share."""
        tree = out + '.d'
        shutil.rmtree(tree, ignore_errors=True)
        os.makedirs(f'{tree}/bin')
        for name in ('proc', 'sys', 'dev', 'lib', 'lower', 'rw', 'new'):
            os.mkdir(f'{tree}/{name}')
        shutil.copy(f'{self.root}/usr/bin/busybox', f'{tree}/bin/busybox')
        shutil.copy(f'{source}/guest/init', f'{tree}/init')
        os.chmod(f'{tree}/init', 0o755)
        files = self._module_files(BOOT_MODULES)
        with open(f'{tree}/lib/order', 'w', encoding='ascii') as order:
            for path in files:
                name = re.sub(r'\.ko.*', '.ko', os.path.basename(path))
                packed = f'{self.root}{path}'
                with (lzma.open(packed) if packed.endswith('.xz') else open(packed, 'rb')) as module:
                    content = module.read()
                with open(f'{tree}/lib/{name}', 'wb') as module:
                    module.write(content)
                order.write(name + '\n')
        _write_newc(tree, out)
        shutil.rmtree(tree)

    def emulator(self):
        """The root's own emulator, run outside with the root's loader and libraries."""
        libraries = f'{self.root}/usr/lib/x86_64-linux-gnu'
        return [f'{self.root}/usr/lib64/ld-linux-x86-64.so.2', '--library-path', f'{libraries}:{self.root}/usr/lib',
                f'{self.root}/usr/bin/qemu-system-x86_64', '-L', f'{self.root}/usr/share/qemu',
                '-L', f'{self.root}/usr/share/seabios']


def _write_newc(tree, out):
    """A cpio archive of this directory, in the format that the kernel unpacks."""
    with open(out, 'wb') as file:
        def entry(name, mode, data, inode):
            head = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
            text = b'070701' + b''.join(b'%08x' % n for n in head) + name.encode() + b'\0'
            file.write(text + b'\0' * (-len(text) % 4) + data + b'\0' * (-len(data) % 4))

        inode = 1
        for directory, names, files in os.walk(tree):
            for name in sorted(names + files):
                path = os.path.join(directory, name)
                status = os.lstat(path)
                data = b''
                if not os.path.isdir(path):
                    with open(path, 'rb') as content:
                        data = content.read()
                entry(os.path.relpath(path, tree), status.st_mode, data, inode)
                inode += 1
        entry('TRAILER!!!', 0, b'', 0)
