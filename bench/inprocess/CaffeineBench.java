// Caffeine under the same load as the C++ contenders: CaffeineBench FILE, with the key sequences that
// `inprocess_bench keys` wrote. The same lines on standard input, the same answers: see inprocess_bench.cc.
//
// Keys are boxed beforehand, one object a key, so that a get allocates nothing.

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CyclicBarrier;

public final class CaffeineBench {
  private static final int ENTRIES = 100_000;
  private static final int THREADS = 4; // the sequence after theirs is for warming
  private static final int SEQUENCE = 1 << 20;
  private static final int PUT_EVERY = 20;
  private static final int BLOCK = 1000;

  private interface Values<V> {
    V make(Long key);

    boolean belongs(Long key, V value);
  }

  private static final class Numbers implements Values<Long> {
    public Long make(Long key) {
      return Long.valueOf(key.longValue());
    }

    public boolean belongs(Long key, Long value) {
      return key.longValue() == value.longValue();
    }
  }

  private static final class Texts implements Values<String> {
    public String make(Long key) {
      char[] text = new char[64];
      java.util.Arrays.fill(text, 'v');
      for (int i = 0; i < 8; ++i) text[i] = (char) (key.longValue() >>> (8 * i) & 0xff);
      return new String(text);
    }

    public boolean belongs(Long key, String value) {
      return value.length() == 64 && value.charAt(0) == (char) (key.longValue() & 0xff);
    }
  }

  private static final class Tally {
    long operations, gets, hits, wrong;
    double rate;
  }

  private static final class Course<V> {
    private final Long[][] keys;
    private final Values<V> values;
    private final Cache<Long, V> cache = Caffeine.newBuilder().maximumSize(ENTRIES).build();
    private final int[] at = new int[THREADS + 1];
    private volatile boolean stop;

    Course(Long[][] keys, Values<V> values) {
      this.keys = keys;
      this.values = values;
    }

    String run(String workload, int threads, int ms) throws Exception {
      for (int i = 0; i < SEQUENCE / 2; ++i) {
        Long key = keys[THREADS][at[THREADS]++ & (SEQUENCE - 1)];
        if (cache.getIfPresent(key) == null) cache.put(key, values.make(key));
      }
      if (workload.equals("hot")) cache.put(keys[0][0], values.make(keys[0][0]));
      cache.cleanUp();
      stop = false;
      Tally[] tallies = new Tally[threads];
      CyclicBarrier ready = new CyclicBarrier(threads + 1);
      Thread[] workers = new Thread[threads];
      for (int t = 0; t < threads; ++t) {
        int mine = t;
        workers[t] =
            new Thread(
                () -> {
                  try {
                    ready.await();
                  } catch (Exception e) {
                    throw new IllegalStateException(e);
                  }
                  tallies[mine] = work(mine, workload);
                });
        workers[t].start();
      }
      var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
      long cpu = system.getProcessCpuTime();
      ready.await();
      Thread.sleep(ms);
      stop = true;
      for (Thread worker : workers) worker.join();
      double used = system.getProcessCpuTime() - cpu;
      Tally sum = new Tally();
      for (Tally each : tallies) {
        sum.operations += each.operations;
        sum.gets += each.gets;
        sum.hits += each.hits;
        sum.wrong += each.wrong;
        sum.rate += each.rate;
      }
      return String.format(
          Locale.ROOT,
          "{\"rate\": %.0f, \"hit_ratio\": %.5f, \"cpu_ns\": %.2f, \"wrong\": %d}",
          sum.rate,
          (double) sum.hits / sum.gets,
          used / sum.operations,
          sum.wrong);
    }

    private Tally work(int thread, String workload) {
      return switch (workload) {
        case "mixed" -> mixed(thread);
        case "hot" -> hot();
        default -> gets(thread);
      };
    }

    private Tally gets(int thread) {
      Tally tally = new Tally();
      Long[] mine = keys[thread];
      int position = at[thread];
      long hits = 0, wrong = 0;
      long start = System.nanoTime();
      do {
        for (int i = 0; i < BLOCK; ++i) {
          Long key = mine[position++ & (SEQUENCE - 1)];
          V value = cache.getIfPresent(key);
          if (value == null) continue;
          ++hits;
          if (!values.belongs(key, value)) ++wrong;
        }
        tally.operations += BLOCK;
      } while (!stop);
      at[thread] = position;
      tally.gets = tally.operations;
      return finish(tally, start, hits, wrong);
    }

    private Tally mixed(int thread) {
      Tally tally = new Tally();
      Long[] mine = keys[thread];
      int position = at[thread];
      long hits = 0, wrong = 0;
      long start = System.nanoTime();
      do {
        for (int i = 0; i < BLOCK; ++i) {
          Long key = mine[position++ & (SEQUENCE - 1)];
          if (i % PUT_EVERY == 0) {
            cache.put(key, values.make(key));
            continue;
          }
          V value = cache.getIfPresent(key);
          if (value == null) continue;
          ++hits;
          if (!values.belongs(key, value)) ++wrong;
        }
        tally.operations += BLOCK;
      } while (!stop);
      at[thread] = position;
      tally.gets = tally.operations / PUT_EVERY * (PUT_EVERY - 1);
      return finish(tally, start, hits, wrong);
    }

    private Tally hot() {
      Tally tally = new Tally();
      Long key = keys[0][0];
      long hits = 0, wrong = 0;
      long start = System.nanoTime();
      do {
        for (int i = 0; i < BLOCK; ++i) {
          V value = cache.getIfPresent(key);
          if (value == null) continue;
          ++hits;
          if (!values.belongs(key, value)) ++wrong;
        }
        tally.operations += BLOCK;
      } while (!stop);
      tally.gets = tally.operations;
      return finish(tally, start, hits, wrong);
    }

    private static Tally finish(Tally tally, long start, long hits, long wrong) {
      tally.hits = hits;
      tally.wrong = wrong;
      tally.rate = tally.operations / ((System.nanoTime() - start) / 1e9);
      return tally;
    }
  }

  private static Long[][] readKeys(String path) throws Exception {
    Map<Long, Long> boxes = new HashMap<>();
    Long[][] keys = new Long[THREADS + 1][SEQUENCE];
    try (FileChannel file = FileChannel.open(Path.of(path))) {
      ByteBuffer bytes = file.map(FileChannel.MapMode.READ_ONLY, 0, file.size());
      LongBuffer numbers = bytes.order(ByteOrder.LITTLE_ENDIAN).asLongBuffer();
      for (Long[] sequence : keys) {
        for (int i = 0; i < SEQUENCE; ++i) {
          sequence[i] = boxes.computeIfAbsent(numbers.get(), key -> key);
        }
      }
    }
    return keys;
  }

  public static void main(String[] arguments) throws Exception {
    Long[][] keys = readKeys(arguments[0]);
    var numbers = new Course<>(keys, new Numbers());
    var texts = new Course<>(keys, new Texts());
    var lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.trim().split(" ");
      Course<?> course = words[0].equals("u64") ? numbers : texts;
      System.out.println(course.run(words[1], Integer.parseInt(words[2]), Integer.parseInt(words[3])));
      System.out.flush();
    }
  }
}
