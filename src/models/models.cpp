#include "portraitseg/models/models.h"

#include "portraitseg/models/extremec3net.h"
#include "portraitseg/models/portraitnet.h"
#include "portraitseg/models/sinet.h"
#include "portraitseg/models/sinet_cityscapes.h"

namespace portraitseg {

const ModelRegistry& models() {
  static const ModelRegistry registry =
      ModelRegistry("model")
          .add("sinet", std::make_shared<SinetOptions>)
          .add("sinet_encoder", std::make_shared<SinetEncoderOptions>)
          .add("extremec3net", std::make_shared<ExtremeC3NetOptions>)
          .add("extremec3net_coarse", std::make_shared<ExtremeC3NetCoarseOptions>)
          .add("portraitnet", std::make_shared<PortraitNetOptions>)
          .add("sinet_cityscapes", std::make_shared<SinetCityscapesOptions>);
  return registry;
}

void ModelConfig::fields(Fields& f) {
  Selection::fields(f, {"num_classes"});
  f("init_from", init_from,
    "weights file or run folder to start training from, as far as keys and shapes fit; empty: none");
}

}  // namespace portraitseg
