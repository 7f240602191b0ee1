from .contrast import SAMPLE_BYTES as SAMPLE_BYTES
from .contrast import sample as sample
from .contrast import windows_of as windows_of
from .palette import channel_colors as channel_colors
from .palette import is_opacity as is_opacity
from .preview import Preview as Preview
from .thumbnail import as_html as as_html
from .view import look as look
