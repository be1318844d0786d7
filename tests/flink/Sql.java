import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/** Has a session cluster carry out statements of SQL, each to its end: HOST PORT STATEMENT... */
class Sql {
  public static void main(String[] arguments) throws Exception {
    Configuration configuration = new Configuration();
    configuration.setString("execution.target", "remote");
    configuration.setString("rest.address", arguments[0]);
    configuration.setString("rest.port", arguments[1]);
    configuration.setString("parallelism.default", "2");
    TableEnvironment tables =
        TableEnvironment.create(
            EnvironmentSettings.newInstance().inBatchMode().withConfiguration(configuration).build());
    for (int at = 2; at < arguments.length; at++) {
      tables.executeSql(arguments[at]).await();
    }
  }
}
