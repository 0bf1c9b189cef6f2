// Debezium's embedded engine on a slot that is there, until so many changes have come: into a Kafka topic, or nowhere.
//   java -cp '.:libs/*' DrainSlot HOST PORT USER DATABASE SLOT PUBLICATION TABLE CHANGES BROKERS TOPIC
// BROKERS "-": nowhere. The password comes from PGPASSWORD. Prints the seconds from the engine's start to the last change.
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

public class DrainSlot {
  private static Properties engineSettings(String[] arguments) {
    Properties settings = new Properties();
    settings.setProperty("name", "bench");
    settings.setProperty("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
    settings.setProperty("offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore");
    settings.setProperty("offset.flush.interval.ms", "10000");
    settings.setProperty("database.hostname", arguments[0]);
    settings.setProperty("database.port", arguments[1]);
    settings.setProperty("database.user", arguments[2]);
    settings.setProperty("database.password", System.getenv("PGPASSWORD"));
    settings.setProperty("database.dbname", arguments[3]);
    settings.setProperty("plugin.name", "pgoutput");
    settings.setProperty("slot.name", arguments[4]);
    settings.setProperty("publication.name", arguments[5]);
    settings.setProperty("publication.autocreate.mode", "disabled");
    settings.setProperty("table.include.list", arguments[6]);
    settings.setProperty("snapshot.mode", "no_data");
    settings.setProperty("topic.prefix", "bench");
    settings.setProperty("converter.schemas.enable", "false");
    // Larger than the defaults, which are slower.
    settings.setProperty("max.batch.size", "8192");
    settings.setProperty("max.queue.size", "32768");
    settings.setProperty("poll.interval.ms", "50");
    return settings;
  }

  // Idempotent by default, without transactions.
  private static KafkaProducer<byte[], byte[]> producer(String brokers) {
    Properties settings = new Properties();
    settings.setProperty("bootstrap.servers", brokers);
    settings.setProperty("acks", "all");
    settings.setProperty("linger.ms", "20");
    settings.setProperty("batch.size", "262144");
    settings.setProperty("compression.type", "lz4");
    settings.setProperty("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
    settings.setProperty("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
    return new KafkaProducer<>(settings);
  }

  private static byte[] bytes(String text) {
    return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
  }

  public static void main(String[] arguments) throws Exception {
    final long wanted = Long.parseLong(arguments[7]);
    final KafkaProducer<byte[], byte[]> producer = arguments[8].equals("-") ? null : producer(arguments[8]);
    final CountDownLatch done = new CountDownLatch(1);
    final long[] changes = {0};
    final long start = System.nanoTime();
    DebeziumEngine<ChangeEvent<String, String>> engine = DebeziumEngine.create(Json.class)
        .using(engineSettings(arguments))
        .notifying((records, committer) -> {
          for (ChangeEvent<String, String> record : records) {
            if (record.value() != null) ++changes[0];
            if (producer != null) {
              producer.send(new ProducerRecord<>(arguments[9], bytes(record.key()), bytes(record.value())));
            }
            committer.markProcessed(record);
          }
          committer.markBatchFinished();
          if (changes[0] >= wanted) done.countDown();
        })
        .build();
    new Thread(engine).start();
    final boolean all = done.await(300, TimeUnit.SECONDS);
    if (producer != null) producer.flush();
    System.out.printf("changes %d seconds %.3f%n", changes[0], (System.nanoTime() - start) / 1e9);
    System.out.flush();
    Runtime.getRuntime().halt(all ? 0 : 1);
  }
}
