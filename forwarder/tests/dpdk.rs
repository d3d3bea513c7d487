//! The owners of DPDK's objects against DPDK: its ring, null, pcap and packet-socket drivers.
//!
//! DPDK starts once in a process, so the cases run one after another in one test, on ordinary
//! pages and in a network namespace of their own.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
    time::Duration,
};

use nix::{
    sched::{CloneFlags, unshare},
    unistd::geteuid,
};
use weir::{
    config::{self, Hugepages},
    dpdk::{
        Device, DeviceError, Eal, EalError, EalOptions, EalThread, Far, Link, Mbuf, MbufPool,
        PoolSpec, PortSpec, Queue, Rss, RssSpec, data_room,
    },
    io::{BURST, Burst, Frame, Pool, Port},
    snapshot::Toeplitz,
    wire::Mac,
};

type Outcome = Result<(), Box<dyn Error>>;

const FRAMES: u32 = 4095;

fn eal(prefix: &str, vdevs: &[String]) -> Result<Eal, EalError> {
    Eal::start(&EalOptions {
        main_core: 0,
        hugepages: Hugepages::Off,
        memory_mb: 128,
        file_prefix: prefix.to_owned(),
        devices: vdevs.iter().cloned().map(config::Device::Vdev).collect(),
    })
}

fn pool(eal: &Eal, name: &str) -> MbufPool {
    let spec = PoolSpec {
        name: name.to_owned(),
        frames: FRAMES,
        cache: 64,
        data_room: data_room(1500),
    };
    MbufPool::new(eal, &spec).expect("128 MiB are enough for it")
}

fn spec(device: &str) -> PortSpec {
    PortSpec {
        device: config::Device::Vdev(device.to_owned()),
        mtu: 1500,
        mac: None,
        descriptors: 256,
        multicast: true,
        rss: None,
    }
}

/// A frame that differs from others in its content and its length.
fn frame(pool: &MbufPool, number: usize) -> Mbuf {
    let content = content(number);
    let mut frame = pool.take(content.len()).expect("the pool has buffers");
    frame.head_mut().copy_from_slice(&content);
    frame
}

fn content(number: usize) -> Vec<u8> {
    let seed = number.to_be_bytes();
    seed.iter()
        .copied()
        .cycle()
        .take(60 + number % 1400)
        .collect()
}

/// What is received within a second, until it is `count` frames that `wanted` wants.
fn receive(queue: &mut Queue, count: usize, wanted: fn(&[u8]) -> bool) -> Vec<Mbuf> {
    let mut frames = Vec::new();
    for _ in 0..1000 {
        let mut burst = Burst::new();
        queue.receive(&mut burst);
        frames.extend(burst.into_iter().filter(|frame| wanted(frame.head())));
        if frames.len() >= count {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    frames
}

#[test]
fn the_owners_of_dpdks_objects() -> Outcome {
    let prefix = format!("weir-test-{}", process::id());
    let directory = std::env::temp_dir().join(&prefix);
    fs::create_dir_all(&directory)?;
    let captures = Captures::new(&directory)?;
    let mut vdevs = vec![
        "net_ring0".to_owned(),
        "net_null1".to_owned(),
        "net_null0,size=90".to_owned(),
        captures.vdev(),
    ];
    vdevs.extend(memif_vdevs(&directory));
    let root = geteuid().is_root();
    if root {
        vdevs.extend(veth_vdevs()?);
    } else {
        eprintln!("not root: the packet-socket driver is left out");
    }

    let eal = eal(&prefix, &vdevs)?;
    assert!(!eal.has_hugepages());
    assert_eq!(
        EalThread::register(&eal).err(),
        Some(EalError::AlreadyRegistered),
        "EAL has registered its main thread"
    );
    let packets = pool(&eal, "packets");
    buffers_come_back(&eal, &packets)?;
    a_ring_gives_back_what_was_sent(&packets)?;
    null_has_a_queue_for_each_worker(&eal, &packets)?;
    a_capture_is_read_and_written(&captures, &packets)?;
    memif_needs_no_mtu_call(&packets)?;
    refusals_name_the_device(&packets, root);
    if root {
        tags_survive_the_kernel(&packets)?;
    }

    assert_eq!(
        packets.in_use(),
        0,
        "every case has given back what it took"
    );
    let address = packets.take(1).ok_or("dry")?.head().as_ptr() as usize;
    assert!(is_mapped(address)?);
    drop((packets, eal));
    assert!(!is_mapped(address)?, "DPDK has given its memory back");
    assert_eq!(
        self::eal(&prefix, &[]).err(),
        Some(EalError::AlreadyStarted)
    );
    fs::remove_dir_all(directory)?;
    let _ = fs::remove_dir_all(Path::new("/var/run/dpdk").join(prefix));
    in_a_process_of_its_own("a_frame_may_outlive_its_pool")?;
    in_a_process_of_its_own("a_start_that_fails_says_with_what")
}

fn is_mapped(address: usize) -> Result<bool, Box<dyn Error>> {
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        let (range, rest) = line.split_once(' ').ok_or("no range")?;
        let (start, end) = range.split_once('-').ok_or("no end")?;
        let range = usize::from_str_radix(start, 16)?..usize::from_str_radix(end, 16)?;
        // What is reserved but not mapped has no access.
        if range.contains(&address) {
            return Ok(rest.starts_with("rw"));
        }
    }
    Ok(false)
}

fn buffers_come_back(eal: &Eal, pool: &MbufPool) -> Outcome {
    assert_eq!(pool.in_use(), 0);
    assert_eq!(pool.segment(), 2048);
    let mut held: Vec<Mbuf> = std::iter::from_fn(|| pool.take(60)).collect();
    assert_eq!(held.len(), FRAMES as usize);
    assert_eq!(pool.in_use(), FRAMES);
    held.truncate(100);
    assert_eq!(pool.in_use(), 100);
    // Freed on another thread, with and without a cache of its own.
    let rest = held.split_off(50);
    thread::spawn(move || drop(rest)).join().expect("no panic");
    assert_eq!(pool.in_use(), 50);
    let (worker, workers_eal) = (pool.clone(), eal.clone());
    thread::spawn(move || {
        let registered = EalThread::register(&workers_eal).expect("there are numbers left");
        let again = EalThread::register(&workers_eal).err();
        assert_eq!(again, Some(EalError::AlreadyRegistered));
        drop((held, worker.take(60), registered));
    })
    .join()
    .expect("no panic");
    assert_eq!(pool.in_use(), 0);

    assert!(pool.take(2049).is_none(), "larger than a buffer");
    let mut frame = pool.take(2048).ok_or("dry")?;
    assert!(frame.prepend(128));
    assert!(!frame.prepend(1));
    assert_eq!((frame.octets(), frame.head().len()), (2176, 2176));
    drop(frame);
    assert_eq!(pool.in_use(), 0);
    Ok(())
}

fn a_ring_gives_back_what_was_sent(pool: &MbufPool) -> Outcome {
    let (device, mut queues) = Device::open(&spec("net_ring0"), 1, pool)?;
    assert_eq!(device.driver_name(), "net_ring");
    let again = Device::open(&spec("net_ring0"), 1, pool).err();
    let device_name = "net_ring0".to_owned();
    assert_eq!(
        again,
        Some(DeviceError::AlreadyOpen {
            device: device_name
        })
    );

    let mut queue = queues.pop().ok_or("one worker")?;
    let mut sent = 0;
    loop {
        let mut burst: Burst<Mbuf> = (sent..sent + BURST).map(|n| frame(pool, n)).collect();
        queue.send(&mut burst);
        sent += BURST - burst.len();
        if let Some(first) = burst.first() {
            assert_eq!(
                first.head(),
                content(sent),
                "the rest is in front, in order"
            );
            break;
        }
    }
    let mut burst = Burst::new();
    for number in 0..5 {
        burst.push(frame(pool, 10_000 + number));
    }
    queue.receive(&mut burst);
    assert!(burst.is_full(), "appended up to the last place");
    let mut received: Vec<Mbuf> = burst.drain(5..).collect();
    assert_eq!(burst[4].head(), content(10_004), "what was there stays");
    received.extend(receive(&mut queue, sent - received.len(), |_| true));
    assert_eq!(received.len(), sent);
    for (number, frame) in received.iter().enumerate() {
        assert_eq!(frame.head(), content(number), "frame {number}");
    }
    let stats = device.stats()?;
    assert_eq!(
        (stats.rx_frames, stats.tx_frames),
        (sent as u64, sent as u64)
    );
    assert_eq!(stats.tags_lost, 0);
    drop((burst, received));
    assert_eq!(pool.in_use(), 0);
    Ok(())
}

fn null_has_a_queue_for_each_worker(eal: &Eal, pool: &MbufPool) -> Outcome {
    let mut spec = spec("net_null0,size=90");
    let mac = Mac([2, 0, 0, 0, 0, 9]);
    spec.mac = Some(mac);
    spec.rss = Some(RssSpec {
        far: Far::Source,
        toeplitz: Toeplitz::new(7),
        owners: std::array::from_fn(|slot| u16::from(slot >= 128)),
    });
    let (device, queues) = Device::open(&spec, 2, pool)?;
    assert_eq!((device.rx_queues(), device.tx_queues()), (2, 2));
    assert_eq!(
        device.rss(),
        Rss::Spread,
        "it hashes, but never one end alone"
    );
    assert_eq!(device.mac(), mac);
    assert_eq!(
        device.link()?,
        Link {
            up: true,
            speed_mbps: Some(10_000)
        }
    );
    let workers: Vec<_> = queues
        .into_iter()
        .map(|mut queue| {
            let eal = eal.clone();
            thread::spawn(move || {
                let _registered = EalThread::register(&eal).expect("there are numbers left");
                let mut burst = Burst::new();
                queue.receive(&mut burst);
                let received = burst.len();
                assert!(burst.iter().all(|frame| frame.octets() == 90));
                queue.send(&mut burst);
                (received, burst.len())
            })
        })
        .collect();
    for worker in workers {
        assert_eq!(worker.join().expect("no panic"), (BURST, 0));
    }
    let stats = device.stats()?;
    assert_eq!((stats.rx_frames, stats.tx_frames), (64, 64));
    Ok(())
}

/// A capture to read, one frame of which is longer than a buffer, and one to write.
struct Captures {
    rx: PathBuf,
    tx: PathBuf,
    frames: [Vec<u8>; 2],
}

const CAPTURE: &[u8] = &[
    0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
];

impl Captures {
    fn new(directory: &Path) -> Result<Self, Box<dyn Error>> {
        let captures = Self {
            rx: directory.join("rx.pcap"),
            tx: directory.join("tx.pcap"),
            frames: [content(5), content(1).repeat(82)],
        };
        let mut octets = CAPTURE.to_vec();
        let [_, long] = &captures.frames;
        for frame in captures.frames.iter().chain([long]) {
            let length = u32::try_from(frame.len())?.to_le_bytes();
            octets.extend([[0; 4], [0; 4], length, length].concat());
            octets.extend(frame);
        }
        fs::write(&captures.rx, octets)?;
        Ok(captures)
    }

    fn vdev(&self) -> String {
        let (rx, tx) = (self.rx.display(), self.tx.display());
        format!("net_pcap0,rx_pcap={rx},tx_pcap={tx}")
    }
}

fn a_capture_is_read_and_written(captures: &Captures, pool: &MbufPool) -> Outcome {
    let (device, mut queues) = Device::open(&spec(&captures.vdev()), 2, pool)?;
    assert_eq!((device.rx_queues(), device.tx_queues()), (1, 1));
    let mut other = queues.pop().ok_or("two workers")?;
    let mut burst = Burst::from_iter([frame(pool, 1)]);
    other.send(&mut burst);
    other.receive(&mut burst);
    assert_eq!(burst.len(), 1, "no queue, so it stays and none comes");
    drop(burst);

    let mut queue = queues.pop().ok_or("two workers")?;
    let mut burst: Burst<Mbuf> = receive(&mut queue, 3, |_| true).into_iter().collect();
    let [short, long] = &captures.frames;
    assert_eq!(burst.len(), 3);
    assert_eq!(burst[0].head(), short);
    let mut cut = burst.pop().ok_or("three frames")?;
    assert!(cut.truncate(60), "two of three segments go");
    assert_eq!(cut.head(), &long[..60]);
    assert_eq!((cut.octets(), pool.in_use()), (60, 5));
    assert!(!cut.truncate(61), "that is no cut");
    drop(cut);

    let chain = &mut burst[1];
    let (octets, segment) = (long.len(), chain.head().len());
    assert_eq!(chain.octets(), octets);
    assert!(segment < octets && chain.head() == &long[..segment]);
    assert_eq!(
        pool.in_use(),
        4,
        "one frame of one segment and one of three"
    );
    assert!(chain.truncate(octets - 1));
    assert_eq!((chain.octets(), pool.in_use()), (octets - 1, 4));
    // The first segment and all of the second; the third goes back to the pool.
    assert!(chain.truncate(segment + 2176));
    assert_eq!(pool.in_use(), 3);
    assert!(chain.prepend(1));
    chain.head_mut()[0] = 0xaa;
    let sent = [&[0xaa], &long[..segment + 2176]].concat();
    assert_eq!(chain.octets(), sent.len());

    queue.send(&mut burst);
    assert!(burst.is_empty());
    assert_eq!(pool.in_use(), 0);
    drop((queue, other, device));
    let written = fs::read(&captures.tx)?;
    let records = written.get(CAPTURE.len()..).ok_or("no capture")?;
    let (first, second) = records.split_at(16 + short.len());
    assert_eq!(&first[16..], short);
    assert_eq!(&second[16..], sent);
    Ok(())
}

fn memif_vdevs(directory: &Path) -> [String; 2] {
    let socket = directory.join("memif");
    ["net_memif0,role=server", "net_memif1,role=client"]
        .map(|end| format!("{end},id=0,socket={},socket-abstract=no", socket.display()))
}

fn memif_needs_no_mtu_call(pool: &MbufPool) -> Outcome {
    let mut near_spec = spec("net_memif0");
    let mac = Mac([2, 0, 0, 0, 0, 7]);
    near_spec.mac = Some(mac);
    let (near, mut receiver) = Device::open(&near_spec, 1, pool)?;
    assert_eq!(near.mac(), mac);
    let (far, mut sender) = Device::open(&spec("net_memif1"), 1, pool)?;
    wait_for_link(&near, true)?;
    wait_for_link(&far, true)?;
    let mut burst: Burst<Mbuf> = (0..20).map(|number| frame(pool, number * 72)).collect();
    sender[0].send(&mut burst);
    assert!(burst.is_empty());
    let received = receive(&mut receiver[0], 20, |_| true);
    assert_eq!(received.len(), 20);
    for (number, frame) in received.iter().enumerate() {
        assert_eq!(frame.head(), content(number * 72));
    }
    // A close beside the peer's races with the driver's own thread, which frees the same message,
    // and does so after it has told that the link is down.
    drop((received, sender, far));
    wait_for_link(&near, false)?;
    thread::sleep(Duration::from_millis(100));
    Ok(())
}

fn wait_for_link(device: &Device, up: bool) -> Outcome {
    for _ in 0..1000 {
        if device.link()?.up == up {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(format!("the link of {device:?} is not {up} after a second").into())
}

fn refusals_name_the_device(pool: &MbufPool, root: bool) {
    let missing = Device::open(&spec("net_ring7,nodeaction=none"), 1, pool).err();
    assert_eq!(
        missing.map(|error| error.to_string()).as_deref(),
        Some("device `net_ring7`: no driver has taken it: No such device (errno 19)")
    );
    let mut large = spec("net_null1");
    large.mtu = 9000;
    let large = Device::open(&large, 1, pool).err();
    assert!(
        matches!(&large, Some(DeviceError::Buffers { device, mtu: 9000, segment: 2048 })
            if device == "net_null1"),
        "{large:?}"
    );
    if !root {
        return;
    }
    let pairs = Device::open(&spec("net_af_packet2"), 1, pool).err();
    let device = "net_af_packet2".to_owned();
    assert_eq!(
        pairs,
        Some(DeviceError::QueuePairs {
            device,
            offered: 2,
            workers: 1
        })
    );
}

/// Two ends of a veth pair, in a namespace that this thread alone is in and that goes with it.
fn veth_vdevs() -> Result<Vec<String>, Box<dyn Error>> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    ip("link set lo up")?;
    ip("link add veth0 type veth peer name veth1")?;
    for end in ["veth0", "veth1"] {
        ip(&format!("link set {end} addrgenmode none up"))?;
    }
    let arguments = "blocksz=65536,framesz=2048,framecnt=512";
    Ok(vec![
        format!("net_af_packet0,iface=veth0,{arguments}"),
        format!("net_af_packet1,iface=veth1,{arguments}"),
        format!("net_af_packet2,iface=lo,qpairs=2,{arguments}"),
    ])
}

fn ip(arguments: &str) -> Outcome {
    let status = Command::new("ip").args(arguments.split(' ')).status()?;
    if !status.success() {
        return Err(format!("ip {arguments}: {status}").into());
    }
    Ok(())
}

/// The kernel cuts 802.1Q tags off before packet sockets see the frame.
fn tags_survive_the_kernel(pool: &MbufPool) -> Outcome {
    let (near, mut sender) = Device::open(&spec("net_af_packet0"), 1, pool)?;
    let mut far_spec = spec("net_af_packet1");
    far_spec.mtu = 1400;
    far_spec.mac = Some(Mac([2, 0, 0, 0, 0, 2]));
    let (far, mut receiver) = Device::open(&far_spec, 1, pool)?;
    assert_eq!(far.mac(), Mac([2, 0, 0, 0, 0, 2]));
    assert_ne!(near.mac(), far.mac());
    let link = |name: &str, what: &str| {
        let output = Command::new("ip").args(["link", "show", name]).output()?;
        Ok::<_, Box<dyn Error>>(String::from_utf8(output.stdout)?.contains(what))
    };
    assert!(
        link("veth1", "link/ether 02:00:00:00:00:02")?,
        "told to the kernel"
    );
    assert!(link("veth1", "mtu 1400")? && link("veth0", "mtu 1500")?);

    let addresses = [far.mac().0, near.mac().0].concat();
    let tagged = [
        &addresses[..],
        &[0x81, 0, 0x60, 0x64, 0x88, 0xb5],
        &content(3),
    ]
    .concat();
    let plain = [&addresses[..], &[0x88, 0xb5], &content(9)].concat();
    let mut burst = Burst::new();
    for octets in [&tagged, &plain] {
        let mut frame = pool.take(octets.len()).ok_or("dry")?;
        frame.head_mut().copy_from_slice(octets);
        burst.push(frame);
    }
    sender[0].send(&mut burst);
    assert!(burst.is_empty());
    // The kernel may have sent something of its own.
    let ours = |head: &[u8]| head.starts_with(&[2, 0, 0, 0, 0, 2]);
    let received = receive(&mut receiver[0], 2, ours);
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].head(), tagged);
    assert_eq!(received[1].head(), plain);
    assert_eq!(far.stats()?.tags_lost, 0);
    Ok(())
}

/// DPDK starts once in a process.
fn in_a_process_of_its_own(test: &str) -> Outcome {
    let status = Command::new(std::env::current_exe()?)
        .args(["--exact", test, "--ignored"])
        .status()?;
    assert!(status.success(), "{test}: {status}");
    Ok(())
}

#[test]
#[ignore = "needs a process of its own, which the first test starts"]
fn a_start_that_fails_says_with_what() {
    let prefix = format!("weir-test-{}", process::id());
    let error = eal(&prefix, &["net_nosuch0".to_owned()]).err();
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(text.contains("--vdev net_nosuch0 --no-pci`: "), "{text}");
    assert!(
        text.contains("errno") && !text.contains("errno 0"),
        "{text}"
    );
    let again = eal(&prefix, &[]).err();
    assert_eq!(again, Some(EalError::AlreadyStarted));
    let _ = fs::remove_dir_all(Path::new("/var/run/dpdk").join(prefix));
}

#[test]
#[ignore = "needs a process of its own, which the first test starts"]
fn a_frame_may_outlive_its_pool() -> Outcome {
    let prefix = format!("weir-test-{}", process::id());
    let eal = eal(&prefix, &[])?;
    let pool = pool(&eal, "packets");
    let frame = frame(&pool, 3);
    drop((pool, eal));
    assert_eq!(frame.head(), content(3));
    drop(frame);
    let _ = fs::remove_dir_all(Path::new("/var/run/dpdk").join(prefix));
    Ok(())
}
