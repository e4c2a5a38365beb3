#include <algorithm>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <map>
#include <set>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/engine/evaluator.h"
#include "portraitseg/report/evaluation_folder.h"
#include "portraitseg/report/overlay.h"
#include "portraitseg/report/results.h"

#include "commands.h"
#include "dataset_source.h"
#include "evaluation_choice.h"
#include "named_networks.h"
#include "network_choice.h"
#include "output_place.h"
#include "robustness.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

struct EvaluateArguments {
  NetworksArguments networks;
  std::string data, root;
  std::vector<std::string> lists;      ///< empty: the configuration's
  std::vector<std::string> protocols;  ///< empty: the configuration's
  std::vector<std::string> metrics;    ///< empty: the protocol's
  std::vector<std::string> perturbations;
  AnswerArguments answer;
  std::string output, json;
  std::int64_t batch_size = 0;
  std::int64_t workers = -1;
  std::int64_t threads = 0;  ///< 0: not given
  int overlays = 8;
  bool resume = false;
};

/// A network that is to be measured.
struct Subject {
  std::string name;        ///< of its run or its weights file, unlike the others'
  TrainedNetwork network;  ///< with the command line's values in its configuration
  NetworkIdentity identity = {};
  std::shared_ptr<SegmentationModel> model = nullptr;
};

std::vector<Protocol> read_protocols(const std::vector<std::string>& names) {
  std::vector<Protocol> chosen;
  std::vector<std::string> full_names;  // with their numbers
  for (const auto& name : names) full_names.push_back(chosen.emplace_back(protocol_of(name)).name);
  refuse_repeated("--protocol", full_names);
  return chosen;
}

void apply_arguments(const EvaluateArguments& arguments, RunConfig& config) {
  if (!arguments.data.empty()) Config::load(arguments.data).read(config.data);
  if (!arguments.root.empty()) replace_root(config.data, arguments.root);
  if (arguments.batch_size > 0) config.evaluation.batch_size = arguments.batch_size;
  if (arguments.workers >= 0) config.data.workers = arguments.workers;
  if (arguments.threads > 0) config.device.threads = arguments.threads;
}

/// What a network's answers follow from, besides its weights.
std::string hash_of_network(RunConfig config) {
  return sha256(ConfigWriter::yaml(config.model) + ConfigWriter::yaml(config.preprocessing));
}

/// Where a configuration's images come from.
std::string text_of_data(DataConfig data, bool with_list) {
  return data.name + "\n" + ConfigWriter::yaml(*data.options) + (with_list ? data.val_list : "");
}

/// What is there once for all networks is as the first one's configuration has it: said where another's differs.
/// @throws UserError where something else would be measured.
void check_shared(const EvaluateArguments& arguments, const Subject& first, const Subject& other) {
  const RunConfig &a = first.network.config, &b = other.network.config;
  const auto refuse = [&](const std::string& what, const std::string& how) {
    throw UserError("the configurations of " + first.name + " and " + other.name + " name different " + what +
                    "; say which with " + how);
  };
  const bool with_list = arguments.lists.empty();
  if (text_of_data(a.data, with_list) != text_of_data(b.data, with_list))
    refuse("data", "--data, or --root and --list");
  if (arguments.protocols.empty() && a.evaluation.protocol != b.evaluation.protocol)
    refuse(fmt::format("protocols ({} and {})", a.evaluation.protocol, b.evaluation.protocol), "--protocol");
  const auto device = [](DeviceOptions options) {
    options.threads = 0;  // which change no figure
    return ConfigWriter::yaml(options);
  };
  std::vector<std::string> others;
  if (device(a.device) != device(b.device)) others.emplace_back("device");
  if (a.data.on_error != b.data.on_error) others.emplace_back("data.on_error");
  if (!others.empty())
    say(fmt::format("{} as the configuration of {} has it; that of {} differs", fmt::join(others, " and "),
                    first.name, other.name));
}

std::vector<Subject> read_subjects(const EvaluateArguments& arguments,
                                   const std::vector<NamedNetwork>& named) {
  std::vector<Subject> subjects;
  for (const NamedNetwork& one : named) {
    Subject subject{one.name, read_network(one.arguments, one.path)};
    RunConfig& config = subject.network.config;
    apply_arguments(arguments, config);
    subject.identity = {config.model.name, one.path.string(), sha256(read_file(one.path)),
                        hash_of_network(config)};
    subjects.push_back(std::move(subject));
    check_shared(arguments, subjects.front(), subjects.back());
  }
  return subjects;
}

/// Evaluates the networks on one list, each image read once, and writes what is asked for.
class ListEvaluation {
 public:
  ListEvaluation(const EvaluateArguments& arguments, std::vector<Subject>& subjects,
                 std::vector<Protocol> protocols, const Dataset& dataset, const Device& device)
      : arguments_(arguments),
        subjects_(subjects),
        protocols_(std::move(protocols)),
        dataset_(dataset),
        device_(device) {}

  /// @param folders of the subjects; empty: none is written  @param texts gets each subject's results as JSON
  void run(const std::vector<fs::path>& folders, std::vector<std::string>& texts) {
    for (const fs::path& folder : folders) folders_.emplace_back(folder);
    std::vector<std::size_t> pending;
    for (std::size_t s = 0; s < subjects_.size(); ++s) {
      if (!is_done(s)) pending.push_back(s);
    }
    const std::vector<Evaluation> evaluations = measure(pending);
    if (!evaluations.empty())
      for (const auto& reason : evaluations.front().skipped) say("skipped: " + reason);
    show(pending, evaluations);
    for (std::size_t s = 0; s < subjects_.size(); ++s) {
      const auto found = std::find(pending.begin(), pending.end(), s);
      if (found == pending.end()) {
        texts.push_back(folders_[s].results());
        continue;
      }
      const std::vector<Evaluation> own = of_pending(found - pending.begin(), evaluations);
      texts.push_back(results_json(own));
      if (!folders_.empty()) write(subjects_[s], folders_[s], own);
    }
    for (std::size_t p = 0; p < pending.size() && !folders_.empty(); ++p) {
      for (std::ptrdiff_t i = 0; i < count_of_protocols(); ++i) {
        add_overlays(subjects_[pending[p]], folders_[pending[p]],
                     evaluations[p * protocols_.size() + static_cast<std::size_t>(i)]);
      }
    }
  }

 private:
  std::ptrdiff_t count_of_protocols() const { return static_cast<std::ptrdiff_t>(protocols_.size()); }

  /// The evaluations of one of the pending subjects.
  std::vector<Evaluation> of_pending(std::ptrdiff_t which, const std::vector<Evaluation>& evaluations) const {
    const auto first = evaluations.begin() + which * count_of_protocols();
    return {first, first + count_of_protocols()};
  }

  std::vector<Metric> metrics_of(const Protocol& protocol, std::int64_t classes) const {
    return arguments_.metrics.empty() ? default_metrics(protocol, classes)
                                      : chosen_metrics(arguments_.metrics, protocol, classes);
  }

  /// What the subject's evaluations will be, as far as that needs no images.
  std::vector<Evaluation> planned(const Subject& subject) const {
    std::vector<Evaluation> planned;
    for (const Protocol& protocol : protocols_) {
      Evaluation evaluation;
      evaluation.protocol = protocol;
      evaluation.network = subject.identity;
      evaluation.list_sha256 = dataset_.list_sha256;
      evaluation.metrics =
          metrics_of(protocol, std::max<std::int64_t>(2, subject.network.config.model.options->num_classes));
      planned.push_back(evaluation);
    }
    return planned;
  }

  /// Whether the subject's folder is complete. @throws DataError if it is, but not with this evaluation.
  bool is_done(std::size_t s) {
    if (folders_.empty() || !folders_[s].complete()) return false;
    done_[s] = folders_[s].require(planned(subjects_[s]));
    say("left out: " + folders_[s].path().string() + " is complete");
    return true;
  }

  std::vector<Evaluation> measure(const std::vector<std::size_t>& pending) {
    if (pending.empty()) return {};
    std::vector<EvaluatedNetwork> networks;
    for (const std::size_t s : pending) {
      const Subject& subject = subjects_[s];
      networks.push_back({subject.model.get(), subject.network.config.preprocessing, subject.identity});
      if (!folders_.empty()) folders_[s].begin();
    }
    const RunConfig& config = subjects_.front().network.config;
    const bool one = networks.size() * protocols_.size() == 1;
    ProgressBar bar(one ? protocols_.front().name : "evaluation");
    EvaluatorOptions options;
    options.batch_size = config.evaluation.batch_size;
    options.workers = config.data.workers;
    options.on_error = config.data.on_error;
    options.progress = [&](std::int64_t done, std::int64_t total) { bar.show(done, total); };
    options.metrics = [&](const Protocol& protocol, std::int64_t classes) {
      return metrics_of(protocol, classes);
    };
    if (!folders_.empty()) {
      options.decided = [&](std::size_t evaluation, const std::string& id, const cv::Mat& mask) {
        const EvaluationFolder& folder = folders_[pending[evaluation / protocols_.size()]];
        folder.add_mask(protocols_[evaluation % protocols_.size()].name, id, mask);
      };
    }
    return evaluate(networks, dataset_, protocols_, options, device_);
  }

  /// All subjects, what was complete before among them. Before anything is written: that can fail, and the figures must not be
  /// lost.
  void show(const std::vector<std::size_t>& pending, const std::vector<Evaluation>& evaluations) const {
    if (arguments_.json == "-") return;
    std::vector<ResultSummary> all;
    std::vector<std::string> names;
    for (std::size_t s = 0; s < subjects_.size(); ++s) {
      const auto found = std::find(pending.begin(), pending.end(), s);
      const auto own = found == pending.end()
                           ? done_.at(s)
                           : summaries_of(of_pending(found - pending.begin(), evaluations));
      all.insert(all.end(), own.begin(), own.end());
      names.insert(names.end(), own.size(), subjects_[s].name);
    }
    std::fputs((subjects_.size() == 1 ? results_table(all) : results_table(all, names)).c_str(), stdout);
    std::fflush(stdout);  // what is said later must not fall into the table; main() looks at stdout's errors
  }

  /// Pictures alone: the folder is complete without them.
  void add_overlays(const Subject& subject, const EvaluationFolder& folder,
                    const Evaluation& evaluation) const {
    const fs::path overlays = folder.path() / evaluation.protocol.name / "overlays";
    try {
      const auto files =
          write_worst_overlays(overlays, evaluation, dataset_, *subject.model,
                               subject.network.config.preprocessing, device_, arguments_.overlays);
      if (!files.empty()) say("worst image " + files.front().string());
    } catch (const UserError& error) {
      say("no overlays: " + std::string(error.what()));
    }
  }

  void write(const Subject& subject, EvaluationFolder& folder,
             const std::vector<Evaluation>& evaluations) const {
    RunConfig config = subject.network.config;
    config.data.val_list = dataset_.list.string();
    config.data.options->make_absolute();
    folder.finish(evaluations, config.yaml());
  }

  const EvaluateArguments& arguments_;
  const std::vector<Subject>& subjects_;
  const std::vector<Protocol> protocols_;
  const Dataset& dataset_;
  const Device& device_;
  std::deque<EvaluationFolder> folders_;
  std::map<std::size_t, std::vector<ResultSummary>> done_;  ///< by subject, of folders that were complete
};

/// --output of one network and one list; else a folder below it for each network, and in it for each list.
fs::path folder_of(const fs::path& output, const std::string& network, const std::string& list) {
  fs::path folder = output;
  if (!network.empty()) folder /= network;
  if (!list.empty()) folder /= list;
  return folder;
}

/// Whether each network has a folder below --output: a sweep's trial also if it is the first one that is finished.
bool have_folders(const std::vector<NamedNetwork>& networks) {
  return networks.size() > 1 || networks.front().of_sweep;
}

/// By network. @param list its name where there are several; else ""
std::vector<fs::path> folders_of(const EvaluateArguments& arguments,
                                 const std::vector<NamedNetwork>& networks, const std::string& list) {
  std::vector<fs::path> folders;
  if (arguments.output.empty()) return folders;
  for (const NamedNetwork& network : networks)
    folders.push_back(folder_of(arguments.output, have_folders(networks) ? network.name : "", list));
  return folders;
}

/// The lists' names as folders, no two alike; of a single list "".
std::vector<std::string> names_of_lists(const std::vector<std::string>& lists) {
  if (lists.size() < 2) return {""};
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const auto& list : lists) names.push_back(unlike(fs::path(list).stem().string(), taken));
  return names;
}

void check_folders(const EvaluateArguments& arguments, const std::vector<NamedNetwork>& networks,
                   const std::vector<std::string>& lists) {
  for (const auto& list : lists) {
    for (const fs::path& folder : folders_of(arguments, networks, list)) {
      const EvaluationFolder there(folder);
      if (!there.complete()) {
        there.require_free();
      } else if (!arguments.resume) {
        throw DataError(folder, "already holds an evaluation; choose another --output, or --resume");
      }
    }
  }
  const bool below = have_folders(networks) || lists.size() > 1;
  if (below && !arguments.output.empty() && EvaluationFolder(arguments.output).complete())
    throw DataError(arguments.output, "already holds the evaluation of one network; choose another --output");
}

std::vector<std::unique_ptr<Dataset>> open_lists(const EvaluateArguments& arguments, const DataConfig& data) {
  const std::vector<std::string> lists =
      arguments.lists.empty() ? std::vector{data.val_list} : arguments.lists;
  std::vector<std::unique_ptr<Dataset>> datasets;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    datasets.push_back(data.options->open(lists[i], data.on_error));
    for (std::size_t k = 0; k < i; ++k) {
      std::error_code missing;  // a list that is no file is the same only if it is called the same
      if (lists[k] == lists[i] || fs::equivalent(datasets[k]->list, datasets[i]->list, missing))
        throw UserError("--list: " + lists[i] + " is given twice");
    }
  }
  return datasets;
}

int evaluate_command(const EvaluateArguments& arguments) {
  refuse_repeated("--metrics", arguments.metrics);
  const std::vector<NamedNetwork> named = named_networks(arguments.networks);
  const std::vector<std::string> list_names = names_of_lists(arguments.lists);
  check_output_place(arguments.output);
  check_folders(arguments, named, list_names);
  for (const NamedNetwork& network : named) refuse_to_overwrite(network.path, arguments.json);
  std::vector<Subject> subjects = read_subjects(arguments, named);
  const RunConfig& config = subjects.front().network.config;
  std::vector<Protocol> protocols = read_protocols(arguments.protocols);
  if (protocols.empty()) protocols.push_back(protocol_of(config.evaluation.protocol));
  protocols = with_perturbations(protocols, arguments.perturbations, arguments.answer);
  for (const Protocol& protocol : protocols) chosen_metrics(arguments.metrics, protocol, 2);  // names
  const auto datasets = open_lists(arguments, config.data);

  const Device device(config.device);
  for (Subject& subject : subjects) {
    subject.model = subject.network.build(device);
    subject.network.weights = {};  // a checkpoint has twice as much again of the optimizer's
  }

  std::vector<std::string> texts;
  for (std::size_t i = 0; i < datasets.size(); ++i) {
    ListEvaluation(arguments, subjects, protocols, *datasets[i], device)
        .run(folders_of(arguments, named, list_names[i]), texts);
  }
  const std::string json = merge_results(texts);
  if (arguments.json == "-") {
    std::fputs(json.c_str(), stdout);
  } else if (!arguments.json.empty()) {
    write_file(arguments.json, json);
  }
  return 0;
}

}  // namespace

void add_evaluate(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<EvaluateArguments>();
  CLI::App* command = app.add_subcommand("evaluate", "Measures networks on lists of images with masks");
  add_networks_options(*command, arguments->networks);
  command->add_option("--data", arguments->data,
                      "YAML file with the keys of the section data, in place of the configuration's");
  command->add_option("--root", arguments->root, "folder of the data set, in place of the configuration's");
  command->add_option(
      "--list", arguments->lists,
      "list of images, a path or a name below the root; may be repeated; default: data.val_list");
  command
      ->add_option("--protocol", arguments->protocols,
                   fmt::format("how figures are computed: {}; clova_batch:40 sets its batch; several with "
                               "commas; default: evaluation.protocol",
                               fmt::join(protocols().names(), ", ")))
      ->delimiter(',');
  command
      ->add_option(
          "--metrics", arguments->metrics,
          fmt::format(
              "what is measured besides the pixels' counts: all, or of {}; default: the protocol's own",
              fmt::join(metrics().names(), ", ")))
      ->delimiter(',');
  add_perturb_option(*command, arguments->perturbations);
  add_answer_options(*command, arguments->answer);
  command->add_option(
      "--output", arguments->output,
      "folder for metrics.json and by protocol per_image.csv, masks and overlays of the worst "
      "images; of several networks, or lists, a folder for each inside");
  command->add_flag("--resume", arguments->resume, "leaves out what --output holds already");
  command->add_option("--overlays", arguments->overlays, "how many overlays")->check(CLI::NonNegativeNumber);
  add_json_option(*command, arguments->json, "the figures");
  command->add_option("--batch-size", arguments->batch_size, "images a forward pass")
      ->check(CLI::PositiveNumber);
  command->add_option("--workers", arguments->workers, "threads that read images")->check(CLI::Range(0, 256));
  command->add_option("--threads", arguments->threads, "that compute; default: device.threads")
      ->check(CLI::Range(1, 1024));
  command->callback([&action, arguments] { action = [arguments] { return evaluate_command(*arguments); }; });
}

}  // namespace portraitseg
